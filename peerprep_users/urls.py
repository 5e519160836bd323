"""The table of contents. Every path answers with and without its trailing slash: see `RequestMiddleware`."""

from django.contrib import admin
from django.urls import include, path

from peerprep_users import openapi
from peerprep_users.exposition import metrics
from peerprep_users.health import healthz, readiness_details, readyz

urlpatterns = [
    path("", include("accounts.urls")),
    path("", include("attempts.urls")),
    path("healthz", healthz),
    path("readyz", readyz),
    path("readyz/details", readiness_details),
    path("metrics", metrics),
    path("openapi.json", openapi.schema, name="schema"),
    path("docs", openapi.swagger),
    path("redoc", openapi.redoc),
    path("admin/", admin.site.urls),
]

handler400 = "peerprep_users.errors.bad_request"
handler403 = "peerprep_users.errors.forbidden"
handler404 = "peerprep_users.errors.not_found"
handler500 = "peerprep_users.errors.failed"
