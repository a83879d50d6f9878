"""The contract of exported optimizers, item by item: checks, programs they run on, optimizers that break them."""
