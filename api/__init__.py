"""HTTP: AWS's wire protocol, the JSON envelope, the native API. The only package that imports aiohttp."""
