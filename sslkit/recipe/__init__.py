"""Recipes: found, listed, explained, checked, compared and copied.

What is re-exported here needs no torch, so that the command line can list recipes at once.
"""

from sslkit.card import Card, Figure, load_card
from sslkit.configs.finding import find_recipe, list_recipes, recipe_folder
from sslkit.recipe.list_formats import print_recipes, recipe_rows, recipe_table

__all__ = [
    "Card",
    "Figure",
    "find_recipe",
    "list_recipes",
    "load_card",
    "print_recipes",
    "recipe_folder",
    "recipe_rows",
    "recipe_table",
]
