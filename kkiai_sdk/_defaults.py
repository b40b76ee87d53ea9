"""What holds unless the caller says otherwise. Imports nothing, so that naming a client is cheap."""

#: The server of openapi.yaml; a test holds the two together.
DEFAULT_BASE_URL = "https://www.kkiai.com"
DEFAULT_TIMEOUT = 30.0
DEFAULT_MAX_RETRIES = 3
#: Seconds; half an hour covers every usual task (grok 2 to 8 min, veo 4 to 10, sora 2 to 4) several times over.
DEFAULT_WAIT_TIMEOUT = 1800.0
#: Requests in flight at once. With a gateway that answers in 200 ms they make 40 per second; with one that answers at
#: once fewer would do, and more make httpcore's pool slower.
DEFAULT_CONCURRENCY = 8
#: Requests per second for all tasks of one call: what a tenth of one core sends. A fleet of 150 tasks at the first pace
#: of the default schedule, or of 750 at its last, does not feel it.
DEFAULT_PER_SECOND = 50.0
#: Tasks that wait at a time: about 10 MiB of them.
DEFAULT_WAITING = 10_000
