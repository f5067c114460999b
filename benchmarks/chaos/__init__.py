"""Seeded histories of faults around real syncs, and a checker that looks on from outside."""
