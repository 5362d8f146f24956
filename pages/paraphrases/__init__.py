"""How far the wording moves a risk."""
