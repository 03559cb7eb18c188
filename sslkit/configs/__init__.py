"""What a config may say, judged before anything in it is used: for the command line only.

Nothing here is public, and nothing here needs torch.
"""

__all__: list[str] = []
