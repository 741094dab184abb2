"""Whether `finish` is there already."""

FINISH = False
