"""The commands of ``plainsight``, a module each: ``add`` describes its options, ``run`` does it.

Heavy imports wait until a command runs.
"""
