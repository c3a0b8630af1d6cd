"""What a person's apps keep on a phone: databases made from small specs, and what a reader must find in them."""
