from django.urls import path

from attempts.views import AttemptViewSet

attempts = AttemptViewSet.as_view

urlpatterns = [
    path("api/v1/attempts", attempts({"post": "create"})),
    path("api/v1/attempts/me", attempts({"get": "list"})),
    path("api/v1/attempts/me/summary", attempts({"get": "summary"})),
    path("api/v1/attempts/me/questions", attempts({"get": "questions"})),
    path("api/v1/attempts/me/activity", attempts({"get": "activity"})),
    path("api/v1/attempts/me/statistics", attempts({"get": "statistics"})),
    path("api/v1/attempts/me/export", attempts({"get": "export"})),
    path("api/v1/attempts/<str:attempt_id>", attempts({"get": "retrieve"})),
]
