"""Adversarial fuzz: random, extreme and structured inputs, every claim of the package against exact arithmetic."""
