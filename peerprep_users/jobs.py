"""What the service does in the background, and how often."""

from django.conf import settings

from accounts.audit.chain import chain_entries
from accounts.mail.queue import deliver_due
from core.jobs import Job
from peerprep_users.admin_site.daily_stats import count_finished_days
from peerprep_users.purge import purge_expired_rows

JOBS = [
    Job("deliver mail", 1.0, deliver_due, at_once=True),
    Job("chain the audit trail", 1.0, chain_entries),
    Job("count finished days", 60.0, count_finished_days),
    Job("purge expired rows", 3600.0, purge_expired_rows),
]

if settings.RABBITMQ_URL:  # only then is the client library loaded
    from core.publisher import publish_events

    JOBS.append(Job("publish events", 1.0, publish_events))
