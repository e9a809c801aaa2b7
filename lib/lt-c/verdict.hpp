/* SPDX-License-Identifier: MIT
 *
 * What libtorrent finds about metadata that is complete. It says so by an alert only,
 * which is made in the middle of taking the last part; so who passed that part on
 * looks here when it is back. Network thread. */
#ifndef GOS_LTC_VERDICT_HPP
#define GOS_LTC_VERDICT_HPP

#include <libtorrent/alert_types.hpp>
#include <libtorrent/error_code.hpp>
#include <libtorrent/extensions.hpp>

namespace ltc
{

enum class metadata_verdict { none, right, wrong };

class judge final : public libtorrent::plugin
{
public:
    explicit judge(metadata_verdict &to) noexcept : to_(to)
    {
    }

    libtorrent::feature_flags_t implemented_features() override
    {
        return alert_feature;
    }

    /* Right by its hash and of no use is no fault of the peer: libtorrent stops the
     * torrent then. Alerts of other threads are of other kinds. */
    void on_alert(libtorrent::alert const *a) override
    {
        if (auto const *failed = libtorrent::alert_cast<libtorrent::metadata_failed_alert>(a)) {
            if (failed->error == libtorrent::errors::mismatching_info_hash)
                to_ = metadata_verdict::wrong;
        } else if (libtorrent::alert_cast<libtorrent::metadata_received_alert>(a)) {
            to_ = metadata_verdict::right;
        }
    }

private:
    metadata_verdict &to_;
};

} // namespace ltc

#endif
