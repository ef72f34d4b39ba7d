"""Predictions compared with what a machine showed: each difference is sorted by what decides the line that differs."""
