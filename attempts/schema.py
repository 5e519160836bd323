"""Headers and the CSV form, for the OpenAPI document."""

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse

from attempts.exports import csv_lines
from attempts.flows.recording import IdempotencyKeyReused
from attempts.serializers import ExportedAttemptSerializer

ATTEMPT_ID = OpenApiParameter(
    "attempt_id", OpenApiTypes.UUID, OpenApiParameter.PATH, description="An `id` from `GET /api/v1/attempts/me`."
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
    description="The same key and body within 24 hours return the first response again, with "
    f"`Idempotent-Replayed: true`. The same key with another body is 422 `{IdempotencyKeyReused.code}`.",
)
IDEMPOTENT_REPLAYED = OpenApiParameter(
    "Idempotent-Replayed", str, OpenApiParameter.HEADER, response=[201], description="`true` on a repeated response."
)
TOTAL_COUNT = OpenApiParameter(
    "X-Total-Count", int, OpenApiParameter.HEADER, response=[200], description="The number of items on all pages."
)
NEXT_LINK = OpenApiParameter(
    "Link", str, OpenApiParameter.HEADER, response=[200], description='`<…>; rel="next"` if there is a next page.'
)

CSV_EXAMPLE = b"".join(csv_lines([ExportedAttemptSerializer.example])).decode()
CSV = OpenApiResponse(str, examples=[OpenApiExample("CSV", CSV_EXAMPLE)])
