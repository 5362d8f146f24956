"""The Tails page: the riskiest of many queries not asked yet."""
