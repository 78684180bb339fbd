"""Log entries on their way from Envoy to where users want them."""
