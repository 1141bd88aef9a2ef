"""Real data sets as their publishers lay them out: one module a data set, each giving plain tables.

What a world makes of them is said in ``plainsight.worlds``. Nothing here shows a cell of a table or a name of an image
in a message, because either may hold text or the number of a patient: rows are named by where they stand.
"""
