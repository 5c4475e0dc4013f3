"""Which module handles which kind of row."""

from __future__ import annotations

from jobs import (
    authorisations,
    contact_syncs,
    deliver,
    group_lists,
    group_names,
    ingest,
    licences,
    lost_events,
    retention,
    setup_checks,
    tell,
    tenant_deletion,
    timers,
    trial_cards,
    update_cards,
    upload_pictures,
    war_rooms,
)
from jobs.runner import Handler

HANDLERS = {
    "ingest": Handler(ingest.run, run_all=ingest.run_all),
    "deliver": Handler(deliver.run, deliver.gave_up, joins_claim=True),
    "update_card": Handler(update_cards.run, update_cards.gave_up),
    "update_trial_card": Handler(trial_cards.run),
    "tell": Handler(tell.run),
    "policy_step": Handler(timers.policy_step, timers.gave_up),
    "snooze_expiry": Handler(timers.snooze_expiry, timers.gave_up),
    "auto_close": Handler(timers.auto_close, timers.gave_up),
    "refresh_cards": Handler(timers.refresh_cards),
    "run_check": Handler(setup_checks.run),
    "take_authorisation": Handler(authorisations.take),
    "read_authorisation": Handler(authorisations.read),
    "check_provider": Handler(authorisations.check),
    "list_groups": Handler(group_lists.run),
    "read_group_name": Handler(group_names.run),
    "read_contacts": Handler(contact_syncs.read, contact_syncs.gave_up),
    "apply_contacts": Handler(contact_syncs.apply, contact_syncs.gave_up),
    "find_lost_events": Handler(lost_events.ask_all),
    "read_lost_events": Handler(lost_events.run),
    "find_licences": Handler(licences.ask_all),
    "read_licences": Handler(licences.run),
    "war_room": Handler(war_rooms.run, war_rooms.gave_up),
    "check_rooms": Handler(war_rooms.try_requirements),
    "upload_pictures": Handler(upload_pictures.run),
    "purge": Handler(retention.purge),
    "delete_organisation": Handler(tenant_deletion.run),
}
