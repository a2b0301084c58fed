"""asyncio's UDP: transports, operations on sockets, error classes, wake-ups, the choice of loop.

Knows neither IPv8 nor the watchdog.
"""
