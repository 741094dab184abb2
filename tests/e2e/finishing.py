"""Whether `finish` is there already."""

FINISH = True
