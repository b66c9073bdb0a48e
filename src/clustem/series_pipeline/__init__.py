"""The main job for a series of scans: its recipe, one run, and a run that follows a folder."""

from clustem.series_pipeline.recipe import SeriesRecipe, is_series_recipe, load_series_recipe, refuse_for_series
from clustem.series_pipeline.running import run_series
from clustem.series_pipeline.watching import watch

__all__ = ["SeriesRecipe", "is_series_recipe", "load_series_recipe", "refuse_for_series", "run_series", "watch"]
