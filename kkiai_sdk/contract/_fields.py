"""Header fields that say nothing about a contract: those of HTTP itself, and those that stand between two ends."""

from __future__ import annotations

#: Fields of HTTP that servers and intermediaries put on any answer: its semantics, caching and framing (RFC 9110 to
#: 9112), strict transport (RFC 6797), alternative services (RFC 7838), and what the IANA registry of HTTP field names
#: holds about caches, proxies and measuring (RFC 8288, 9209, 9211, 9213, 9218, Server-Timing, NEL, Reporting).
STANDARD = frozenset(
    {"accept-ranges", "age", "allow", "cache-control", "connection", "content-encoding", "content-language"}
    | {"content-length", "content-location", "content-range", "content-type", "date", "etag", "expires"}
    | {"keep-alive", "last-modified", "link", "pragma", "server", "trailer", "transfer-encoding", "upgrade", "vary"}
    | {"via", "warning", "alt-svc", "strict-transport-security", "proxy-status", "cache-status", "cdn-cache-control"}
    | {"priority", "server-timing", "timing-allow-origin", "nel", "report-to", "reporting-endpoints", "accept-ch"}
)
#: What browsers are told, on every answer alike (Fetch, Content Security Policy, Permissions Policy, OWASP's list).
BROWSERS = frozenset(
    {"content-security-policy", "content-security-policy-report-only", "cross-origin-embedder-policy"}
    | {"cross-origin-opener-policy", "cross-origin-resource-policy", "feature-policy", "permissions-policy"}
    | {"referrer-policy", "x-content-type-options", "x-dns-prefetch-control", "x-download-options"}
    | {"x-frame-options", "x-permitted-cross-domain-policies", "x-xss-protection", "origin-agent-cluster"}
)
#: What content delivery networks, load balancers and proxies add: of Cloudflare, CloudFront, Fastly, Akamai, Google,
#: Azure, Envoy, nginx, Varnish and the Chinese networks, and the names under which they pass on a request's id.
INTERMEDIARIES = frozenset(
    {"x-cache", "x-cache-hits", "x-cache-lookup", "x-cache-status", "x-served-by", "x-timer", "x-varnish"}
    | {"x-request-id", "x-correlation-id", "x-trace-id", "traceparent", "tracestate", "x-b3-traceid", "request-id"}
    | {"x-proxy-cache", "x-accel-buffering", "x-nginx-cache", "x-runtime", "x-response-time", "x-process-time"}
    | {"x-cloud-trace-context", "x-azure-ref", "x-msedge-ref", "x-via", "x-swift-savetime", "x-swift-cachetime"}
    | {"eagleid", "x-cdn", "x-cdn-request-id", "x-edge-location", "x-ws-request-id", "x-nws-log-uuid"}
)
#: Beginnings of families of names that such networks own.
FAMILIES = (
    "access-control-",
    "cf-",
    "x-amz-cf-",
    "x-amzn-",
    "x-envoy-",
    "x-akamai-",
    "akamai-",
    "x-fastly-",
    "x-vercel-",
)
#: Fields that have one value, so that two of them contradict each other (RFC 9110 section 5.3).
SINGLE = ("content-length", "date", "retry-after", "location", "age", "etag", "expires", "last-modified")


def is_of_the_way(name: str) -> bool:
    """Whether a field, in lower case, comes from HTTP or from between the two ends and not from the gateway itself."""
    return name in STANDARD | BROWSERS | INTERMEDIARIES or name.startswith(FAMILIES)
