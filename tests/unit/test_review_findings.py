"""What a review of the promises found, item by item, and the test that would be red if it came back."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]

FINDINGS = {
    "1 an account that may set but not delete empties an exclusive group": [
        "security/test_accounts_promises.py::test_recovery_with_less_rights_never_empties_production",
        "security/test_accounts_promises.py::test_who_may_not_delete_aliases_leaves_all_as_it_was",
        "security/test_rights.py::test_the_table_of_rights_is_true",
        "faults/test_dimensions.py::test_refused_writes",
    ],
    "2 a training script promotes by itself": [
        "server/test_put_back.py::test_stage_and_alias_are_put_back",
        "server/test_put_back.py::test_a_training_may_not_promote_unless_the_config_says_so",
    ],
    "2 stage and alias disagree": [
        "unit/selection/test_selection.py::test_nothing_is_selected_while_stage_and_alias_disagree",
        "unit/commands/test_conflicts.py::test_two_versions_of_one_model",
        "unit/promotion/test_rollback_plan.py::test_what_cannot_be_returned_to",
        "server/test_doctor.py::test_each_ailment_has_its_remedy",
    ],
    "2 what was never promoted is no rollback target": [
        "unit/promotion/test_rollback_plan.py::test_what_no_promotion_put_into_production_is_no_target",
        "unit/cleanup/test_protection.py::test_rollback_targets",
    ],
    "3 a version in another active stage is no candidate": [
        "unit/selection/test_selection.py::test_what_serves_elsewhere_is_no_candidate",
        "unit/selection/test_selection.py::test_what_is_named_in_the_config_is_a_candidate",
    ],
    "4 a cleanup of one model deletes the target of another": [
        "server/test_cleanup.py::test_a_rollback_target_of_another_model_stays",
        "unit/cleanup/test_protection.py::test_the_target_of_what_serves_anybody_stays",
    ],
    "5 targets and intents are looked at again before a deletion": [
        "server/test_cleanup.py::test_a_rollback_after_the_plan_saves_its_target",
        "server/test_cleanup.py::test_a_foreign_hand_right_before_the_deletion_saves_a_target",
        "server/test_cleanup.py::test_an_intent_that_appeared_after_the_plan_saves_what_it_names",
    ],
    "6 an infinite metric wins": [
        "unit/registry/test_snapshot.py::test_a_metric_that_cannot_be_compared_is_none",
        "unit/selection/test_selection.py::test_a_metric_that_cannot_be_compared_is_said",
    ],
    "7 two builds at once under copy": [
        "faults/test_races.py::test_one_champion_in_every_round",
    ],
    "7 what a copy replaces: --over, select, the dry run": [
        "server/test_copy_command.py::test_what_a_copy_replaces_is_known_before",
        "unit/promotion/test_changes.py::test_a_copy_gets_its_number_when_it_is_made",
    ],
    "8 recovery of a copy takes the lock, and no newer promotion back": [
        "unit/promotion/test_intent.py::test_what_a_config_lets_recovery_change_is_under_its_lock",
        "unit/promotion/test_promises.py::test_the_promises_hold",
        "faults/test_sleepers.py::test_asleep_at_every_request",
    ],
    "9 a holder that slept through its lease": [
        "security/test_lock_accounts.py::test_a_holder_that_slept_through_its_lease_never_writes_again",
        "unit/registry/test_under_lock.py::test_each_of_several_tags_asks_again",
        "faults/test_sleepers.py::test_asleep_at_the_stage_or_the_alias",
    ],
    "9 a look at the flags before the first write": [
        "unit/registry/test_lock.py::test_who_stays_in_the_way_holds_it_too",
    ],
    "9 dead flags of other accounts are outlived": [
        "security/test_lock_accounts.py::test_what_another_account_left_is_outlived_without_a_word",
    ],
    "10 agents' clocks": [
        "faults/test_two_hosts.py::test_a_wrong_clock_neither_loses_nor_takes_a_lock",
        "faults/test_two_hosts.py::test_a_clock_eight_days_fast_deletes_nothing_of_today",
        "server/test_clock.py::test_a_servers_time_counts_not_the_agents",
        "unit/registry/test_lock.py::test_a_stamp_from_the_future_is_refused",
    ],
    "11 promoted is said only if the last look shows it": [
        "unit/promotion/test_promises.py::test_promoted_is_said_only_if_the_last_look_shows_it",
        "unit/promotion/test_changes.py::test_strangers_are_in_production_and_in_no_row",
    ],
    "12 somebody promotes in the UI right after our transition": [
        "faults/test_dimensions.py::test_the_worst_foreign_hands",
        "unit/promotion/test_promises.py::test_a_retry_takes_nothing_away_from_somebody_else",
        "unit/promotion/test_changes.py::test_what_is_undone_and_in_which_order",
    ],
    "13 the lock's tag counts bytes": [
        "unit/registry/test_lock_holder.py::test_a_cleanup_of_twenty_long_foreign_names_fits",
        "unit/registry/test_lock_holder.py::test_no_form_hides_a_conflict",
    ],
    "14 secrets in addresses": [
        "unit/test_text.py::test_no_secret_of_an_address_is_shown",
        "unit/promotion/test_notice.py::test_a_tunnel_with_a_secret_hides_it",
        "server/test_doors.py::test_no_error_shows_a_password",
    ],
    "15 a report folder that cannot be written": [
        "server/test_streams.py::test_a_report_folder_is_tried_before_anything_is_written",
        "server/test_streams.py::test_a_report_that_cannot_be_written_is_a_warning",
        "process/test_deadline.py::test_a_log_that_cannot_be_written_is_a_warning",
    ],
    "16 made again under the same number": [
        "server/test_cleanup.py::test_a_version_made_again_under_the_same_number_is_another_one",
        "unit/promotion/test_promotion_plan.py::test_a_candidate_that_is_gone_is_refused",
        "unit/promotion/test_rollback_plan.py::test_a_version_made_again_under_its_number_is_no_target",
    ],
    "17 rollback of a copied model, exclusive with copy": [
        "server/test_copy_command.py::test_copies_go_into_production_and_back",
        "server/test_methods.py::test_an_exclusive_group_with_copies_leaves_no_other_champion",
    ],
    "17 no rollback goes forward again": [
        "server/test_rollback.py::test_two_rollbacks_go_two_steps_back",
    ],
    "18 long lines and YAML aliases": [
        "process/test_deadline.py::test_a_huge_line_takes_no_memory",
        "process/test_processes.py::test_a_line_without_end_comes_in_parts",
        "unit/config/test_config.py::test_endless_values",
        "unit/config/test_config.py::test_aliases_in_a_variable_do_not_expand",
    ],
    "19 a champion that lacks the metric": [
        "unit/selection/test_selection.py::test_a_champion_without_the_metric_is_kept",
        "unit/selection/test_selection.py::test_a_champion_without_the_metric_is_replaced_on_request",
    ],
    "19 a pattern that matches no model": [
        "server/test_cli.py::test_a_pattern_that_matches_nothing_names_the_nearest",
        "unit/commands/test_group.py::test_the_nearest_name_is_named",
    ],
    "20 a database that is down": [
        "unit/registry/test_connection.py::test_a_database_that_is_down_is_no_bug"
    ],
    "20 a check killed by a signal without a name": ["server/test_after_check.py::test_a_signal_is_named"],
    "20 a passing check looks again": ["server/test_after_check.py::test_a_check_that_passes_looks_again"],
    "20 JSON in every encoding": [
        "server/test_streams.py::test_a_latin_1_agent_gets_json",
        "unit/test_render.py::test_json_is_json_in_every_encoding",
    ],
    "20 closed streams": [
        "server/test_streams.py::test_a_closed_standard_input_is_no_terminal",
        "server/test_streams.py::test_messages_that_cannot_be_shown_stop_no_promotion",
    ],
    "20 terminal escapes": [
        "unit/test_terminal.py::test_a_name_cannot_act_on_the_terminal",
        "unit/test_text.py::test_nothing_reaches_the_terminal_as_a_command",
    ],
    "20 headers in Markdown and CSV": ["unit/test_render.py::test_a_header_is_as_foreign_as_a_cell"],
    "20 commands in advice are quoted": ["unit/cli/test_advice.py::test_a_model_in_a_command_is_quoted"],
    "20 010 is ten": ["unit/config/test_config.py::test_environment"],
    "20 a setsid grandchild ends": [
        "process/test_processes.py::test_a_helper_in_another_session_is_ended_too",
    ],
    "20 a flag that is just going away": [
        "unit/registry/test_lock.py::test_a_flag_that_is_going_away_is_not_waited_for_aloud",
        "server/test_lock.py::test_one_at_a_time",
    ],
    "20 a flag another account left": [
        "unit/registry/test_lock.py::test_a_dead_flag_that_cannot_be_removed_is_tried_once_and_not_spoken_of",
    ],
    "suspected: an intent recovered under another config": [
        "unit/promotion/test_intent.py::test_what_a_config_lets_recovery_change_is_under_its_lock",
        "unit/promotion/test_intent.py::test_an_intent_may_ask_only_for_what_the_readers_own_config_does",
    ],
    "suspected: a renewal between another's list and its delete": [
        "unit/registry/test_lock.py::test_who_renews_between_anothers_list_and_its_delete_has_lost_the_lock",
    ],
}


@pytest.mark.parametrize("finding", FINDINGS)
def test_each_finding_has_its_tests(finding: str) -> None:
    for test in FINDINGS[finding]:
        path, _, name = test.partition("::")
        tree = ast.parse((TESTS / path).read_text(encoding="utf-8"))
        assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, test


def test_no_item_is_left_out() -> None:
    numbers = {int(finding.split()[0]) for finding in FINDINGS if finding[0].isdigit()}
    assert numbers == set(range(1, 21))
