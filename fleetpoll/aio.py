"""The fleet for asyncio: one reader of the stream serves every waiter of an event loop."""
