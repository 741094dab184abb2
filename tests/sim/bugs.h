// Bugs that a run can be given, so that the run shows that it would find them.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace shunt::sim {

enum class Bug : std::uint8_t {
  none,
  seam_off_by_one,
  drain_skipped,
  lost_ack_written_again,
  journal_after_flip,
  producer_not_mapped,
  commit_to_one_side,
  parked_poll_forgotten,
  high_watermark_for_log_end,
  zombie_append,
  past_end_shown,
  torn_pair_sum,
  two_links_overtake,
  fetch_lacks_partition,
  high_watermark_falls,
  end_below_shown,
  epoch_base,
  y_expired,
  abort_marker_after_s4,
  gate_forgotten,
  new_dead_at_undo,
  journal_lost,
  produce_parts,
};

struct BugName {
  Bug bug;
  std::string_view name;
  std::string_view what;
};
inline constexpr BugName bug_names[] = {
    {Bug::seam_off_by_one, "seam-off-by-one", "a seam is recorded one record before the end"},
    {Bug::drain_skipped, "drain-skipped", "the ends are read while answers are still in flight"},
    {Bug::lost_ack_written_again, "lost-ack-written-again",
     "the seam's last batches are not looked at: a resend is written to the other cluster"},
    {Bug::journal_after_flip, "journal-after-flip",
     "records reach the journal 20 ms after their effect"},
    {Bug::producer_not_mapped, "producer-not-mapped", "a client's producer id is used everywhere"},
    {Bug::commit_to_one_side, "commit-to-one-side", "accepted commits are not copied to new"},
    {Bug::parked_poll_forgotten, "parked-poll-forgotten",
     "a poll parked at the left cluster is not asked again elsewhere"},
    {Bug::high_watermark_for_log_end, "high-watermark-for-log-end",
     "the high watermark is taken for the log end"},
    {Bug::zombie_append, "zombie-append",
     "a Produce whose link ended unanswered is taken for dead"},
    {Bug::past_end_shown, "past-end-shown", "what was asked before the flip is shown unclipped"},
    {Bug::torn_pair_sum, "torn-pair-sum", "a torn pair's position is x + y - y0"},
    {Bug::two_links_overtake, "two-links-overtake",
     "first sequences on the other cluster are not checked: 11 may come before 10"},
    {Bug::fetch_lacks_partition, "fetch-lacks-partition",
     "a Fetch over a seam is answered without the partitions that have no records"},
    {Bug::high_watermark_falls, "high-watermark-falls",
     "the high watermark of a closed segment is its own end"},
    {Bug::end_below_shown, "end-below-shown", "an end below what was shown is taken"},
    {Bug::epoch_base, "epoch-base",
     "a seam's last epoch is the native one: wrong from the second cut"},
    {Bug::y_expired, "y-expired", "commits copied to new are not renewed"},
    {Bug::abort_marker_after_s4, "abort-marker-after-s4",
     "an open transaction does not keep the ends from being taken"},
    {Bug::gate_forgotten, "gate-forgotten",
     "a Fetch that goes over the seam does not ask whether its group may"},
    {Bug::new_dead_at_undo, "new-dead-at-undo",
     "a cluster left without an answer ends at its last known high watermark, below what was told"},
    {Bug::journal_lost, "journal-lost",
     "an empty journal is taken for a first start, whatever the clusters keep"},
    {Bug::produce_parts, "produce-parts",
     "of a Produce larger than the buffer only the first part is looked at: the rest passes as it"},
};

}  // namespace shunt::sim
