"""Colours: the palettes that the drawings share, and shades of a colour."""

Colour = tuple[int, int, int]

# Palettes are shared between classes, so that colour alone does not name one.
FUR = ((92, 62, 40), (150, 108, 70), (46, 42, 42), (128, 124, 120), (214, 204, 188), (186, 122, 62))
PAINT = (
    *((205, 208, 212), (178, 38, 38), (44, 78, 150), (52, 54, 60), (214, 176, 50), (56, 112, 78)),
    *((240, 240, 236), (130, 136, 142), (204, 108, 46)),
)
PLUMAGE = (*FUR, (66, 96, 150), (176, 60, 48), (236, 236, 232))
SKIN = ((82, 128, 52), (112, 134, 62), (118, 96, 58), (70, 92, 60), (146, 150, 70), (98, 70, 48))
GLASS, TYRE, BLACK, WHITE = (62, 80, 98), (28, 28, 30), (18, 16, 16), (238, 238, 232)
SKY = ((132, 178, 226), (186, 204, 222), (92, 132, 190), (222, 196, 172), (156, 162, 172))
LEAF = ((58, 84, 48), (84, 104, 62), (96, 92, 66), (46, 62, 50))
GRASS = ((94, 128, 62), (128, 142, 78), (150, 138, 88), (72, 98, 52))


def shade(colour: Colour, factor: float) -> Colour:
    """Return the colour made darker (factor below 1) or lighter (above 1), within 0 to 255."""
    return tuple(max(0, min(255, int(c * factor))) for c in colour)
