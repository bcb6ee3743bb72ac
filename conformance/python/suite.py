"""The official Python SDK, both halves, against a running Blob server."""

# Importing a file registers its tests.
import access
import appends
import arrow_lists
import asynchronous
import blobs
import blocks
import constructors
import containers
import copies
import pages
import queries
import tags_and_batches
from harness import main

__all__ = [
    "access", "appends", "arrow_lists", "asynchronous", "blobs", "blocks", "constructors",
    "containers", "copies", "pages", "queries", "tags_and_batches",
]

if __name__ == "__main__":
    main()
