from django.urls import path

from attempts.views import AttemptViewSet

attempts = AttemptViewSet.as_view

urlpatterns = [
    path("api/v1/attempts", attempts({"post": "record_attempt"})),
    path("api/v1/attempts/me", attempts({"get": "list_attempts"})),
    path("api/v1/attempts/me/summary", attempts({"get": "summarise_attempts"})),
    path("api/v1/attempts/me/questions", attempts({"get": "list_questions"})),
    path("api/v1/attempts/me/activity", attempts({"get": "show_activity"})),
    path("api/v1/attempts/me/statistics", attempts({"get": "show_statistics"})),
    path("api/v1/attempts/me/export", attempts({"get": "export_attempts"})),
    path("api/v1/attempts/<str:attempt_id>", attempts({"get": "read_attempt"})),
]
