"""Runs from beginning to end, as every verb that trains makes them, and comparisons of several that belong together.

``whole`` announces, trains and evaluates one · ``new`` makes those of a system, a recipe or an earlier run ·
``continued`` trains on from the validation people · ``swept``, ``without``, ``picture_networks`` make many, and a table.
"""
