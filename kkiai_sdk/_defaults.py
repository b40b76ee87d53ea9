"""What holds unless the caller says otherwise. Imports nothing, so that naming a client is cheap."""

#: The server of openapi.yaml; a test holds the two together.
DEFAULT_BASE_URL = "https://www.kkiai.com"
DEFAULT_TIMEOUT = 30.0
DEFAULT_MAX_RETRIES = 3
#: Seconds; half an hour covers every usual task (grok 2 to 8 min, veo 4 to 10, sora 2 to 4) several times over.
DEFAULT_WAIT_TIMEOUT = 1800.0
#: Requests in flight at once: as many as httpx serves at full speed (more in flight make its pool slower).
DEFAULT_CONCURRENCY = 4
