"""The table of contents. Every path answers with and without its trailing slash: see `RequestMiddleware`."""

from django.contrib import admin
from django.urls import include, path

from peerprep_users.api_docs import openapi_json, redoc, swagger
from peerprep_users.export import ExportViewSet
from peerprep_users.health import healthz, readiness_details, readyz
from peerprep_users.metrics_view import metrics
from peerprep_users.start_page import start_page

# Django tries the patterns in turn, so what is asked most comes first.
urlpatterns = [
    path("healthz", healthz),
    path("api/v1/attempts", include("attempts.urls")),
    path("", include("accounts.urls")),
    path("users/me/export", ExportViewSet.as_view({"get": "export_me"})),
    path("", start_page),
    path("readyz", readyz),
    path("readyz/details", readiness_details),
    path("metrics", metrics),
    path("openapi.json", openapi_json, name="schema"),
    path("docs", swagger),
    path("redoc", redoc),
    path("admin/", admin.site.urls),
]

handler400 = "core.errors.bad_request"
handler403 = "core.errors.forbidden"
handler404 = "core.errors.not_found"
handler500 = "core.errors.failed"
