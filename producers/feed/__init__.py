"""The pool of websocket workers: any provider, any number of workers, steered live through topics."""
