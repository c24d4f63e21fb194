"""All families. To add one: write its function and its `Family` in a file by theme, and it appears here."""

from data_prep.synthetic.families import (
    buildings,
    craft,
    household,
    kitchen,
    lamps,
    landmarks,
    lounge,
    plants,
    screens,
    seats,
    solids,
    storage,
    structures,
    tables,
    tools,
    vehicles,
    vessels,
)
from data_prep.synthetic.parse import Family

FAMILIES: tuple[Family, ...] = (
    *seats.FAMILIES,
    *lounge.FAMILIES,
    *tables.FAMILIES,
    *screens.FAMILIES,
    *lamps.FAMILIES,
    *storage.FAMILIES,
    *vessels.FAMILIES,
    *kitchen.FAMILIES,
    *vehicles.FAMILIES,
    *craft.FAMILIES,
    *tools.FAMILIES,
    *household.FAMILIES,
    *buildings.FAMILIES,
    *landmarks.FAMILIES,
    *structures.FAMILIES,
    *solids.FAMILIES,
    *plants.FAMILIES,
)
