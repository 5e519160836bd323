from django.apps import AppConfig


class AttemptsConfig(AppConfig):
    name = "attempts"

    def ready(self) -> None:
        from accounts import holdings  # noqa: PLC0415 - the models are there only now
        from accounts.flows import figures as daily  # noqa: PLC0415
        from attempts.flows import departures, figures, progress  # noqa: PLC0415

        holdings.registered.append(
            holdings.Holdings(
                release=departures.release,
                export=departures.export,
                expired=departures.expired,
                figures=progress.FIGURES,
                figures_of=progress.figures_of,
            )
        )
        daily.registered.append(figures.SOURCE)
