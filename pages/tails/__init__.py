"""The riskiest of many queries not asked yet."""
