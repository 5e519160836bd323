from django.urls import path

from attempts.views import AttemptViewSet

attempts = AttemptViewSet.as_view

urlpatterns = [
    path("", attempts({"post": "record_attempt"})),
    path("/me", attempts({"get": "list_attempts"})),
    path("/me/summary", attempts({"get": "summarise_attempts"})),
    path("/me/questions", attempts({"get": "list_questions"})),
    path("/me/activity", attempts({"get": "show_activity"})),
    path("/me/statistics", attempts({"get": "show_statistics"})),
    path("/me/export", attempts({"get": "export_attempts"})),
    path("/<str:attempt_id>", attempts({"get": "read_attempt"})),
]
