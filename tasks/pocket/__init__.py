"""The pocket suite: word problems of our own, small enough for a model of a few megabytes, in six languages.

    Rosa Klein has 5 balls and Juma Lin has 12 balls. How many balls do they have together?    -> 17

`world.py` writes them and says what is held out for the test.
"""
