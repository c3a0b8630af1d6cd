"""What `scripts/release` and the builds of the package stand on."""
