"""Authorisations, in the worker: what was told is taken however often a try broke."""

from __future__ import annotations

from flask import Flask
from sqlalchemy import select

from extensions import db
from jobs import authorisations as jobs
from jobs.outbox import Claim, Done
from models import Job
from platforms.provider import CANCELLED, AuthorisationEvent
from services import authorisations
from tests.factories import NOW, default_tenant


def claim_of(job: Job, **payload: object) -> Claim:
    return Claim(job.id, job.kind, job.tenant_id, job.subject_id, {**job.payload, **payload}, 1, NOW)


def test_what_was_told_is_taken_after_a_try_that_broke(app: Flask) -> None:
    default_tenant()
    authorisations.take_event("wecom", AuthorisationEvent("s", "n", NOW, event_key="key-1", change=CANCELLED, corp_id="wpUnknown"), now=NOW)
    db.session.commit()
    job = db.session.scalars(select(Job).where(Job.kind == authorisations.TAKE)).one()
    assert jobs.take(claim_of(job, crashes=1, tries=1)) == Done()
