"""WebShop's text environment, written to upstream's rules, on a made-up catalogue by default."""
