"""Headers and the CSV form, for the OpenAPI document."""

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse

from attempts.exports import csv_lines
from attempts.flows.recording import IdempotencyKeyReused
from attempts.serializers import ExportedAttemptSerializer

ATTEMPT_ID = OpenApiParameter(
    "attempt_id", OpenApiTypes.UUID, OpenApiParameter.PATH, description="What `GET /api/v1/attempts/me` has as `id`."
)
IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    {
        "type": "string",
        "minLength": 1,
        "maxLength": 255,
        "pattern": "^[ -~]*$",
        "examples": ["6f1c2f6e-51c7-4f0e-9d55-8b5d3a0a2f44"],
    },
    OpenApiParameter.HEADER,
    description="The same key and body within 24 hours get the first answer again, with `Idempotent-Replayed: true`. "
    f"With another body: 422 `{IdempotencyKeyReused.code}`.",
)
IDEMPOTENT_REPLAYED = OpenApiParameter(
    "Idempotent-Replayed", str, OpenApiParameter.HEADER, response=[201], description="`true` on an answer given before."
)
TOTAL_COUNT = OpenApiParameter(
    "X-Total-Count", int, OpenApiParameter.HEADER, response=[200], description="How many there are on all pages."
)
NEXT_LINK = OpenApiParameter(
    "Link", str, OpenApiParameter.HEADER, response=[200], description='`<…>; rel="next"` where there is a next page.'
)

CSV_EXAMPLE = b"".join(csv_lines([ExportedAttemptSerializer.example])).decode()
CSV = OpenApiResponse(str, examples=[OpenApiExample("CSV", CSV_EXAMPLE)])
