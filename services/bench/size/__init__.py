"""Cost over size: the same work on a small and on a large stack in turn, and how much more the large one needs.

Both are filled by the services' own engines, so that their tables hold what months of traffic would have left, and the
audit proves that before anything is measured.
"""
