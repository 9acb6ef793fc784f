"""Attempts to make a training lose something: processes killed, power cut, disks filled, two at once."""
