/* SPDX-License-Identifier: MIT
 *
 * The C face of RE2: compile within bounds, search, let no exception out. Runs on
 * the worker's threads. */
#include "serve/pattern.h"

#include <algorithm>
#include <cstdio>
#include <exception>
#include <memory>
#include <string>

#include <re2/re2.h>

/* Of one pattern: its programs (forward, backward) and the states it has been in. With
 * less, patterns that people write are followed state by state, which is slow. */
static constexpr int64_t memory_max = int64_t{8} << 20;

struct pattern {
    pattern(const char *text, const RE2::Options &options) : expression(text, options)
    {
    }

    RE2 expression;
    size_t reach = 0;
};

static RE2::Options options_of(bool ignore_case)
{
    RE2::Options options;
    options.set_log_errors(false);
    options.set_case_sensitive(!ignore_case);
    options.set_max_mem(memory_max);
    return options;
}

/* Empty if it can be used. */
static std::string fault_of(const RE2 &expression)
{
    if (!expression.ok())
        return expression.error();
    if (expression.ProgramSize() > PATTERN_PROGRAM_MAX)
        return "too large with its repetitions written out";
    return {};
}

int pattern_new(struct pattern **out, const char *text, bool ignore_case, char *why,
                size_t why_size)
{
    std::snprintf(why, why_size, "%s", "");
    try {
        if (std::char_traits<char>::length(text) > PATTERN_BYTES_MAX) {
            std::snprintf(why, why_size, "longer than %d bytes", PATTERN_BYTES_MAX);
            return -1;
        }
        auto made = std::make_unique<pattern>(text, options_of(ignore_case));
        std::string fault = fault_of(made->expression);
        if (!fault.empty()) {
            std::snprintf(why, why_size, "%s", fault.c_str());
            return -1;
        }
        auto size = static_cast<size_t>(std::max(made->expression.ProgramSize(), 1));
        made->reach = std::min(PATTERN_LINE_MAX, PATTERN_WORK_MAX / size);
        *out = made.release();
        return 0;
    } catch (const std::exception &) {
        return -1; /* RE2 itself throws nothing: this is new */
    }
}

void pattern_free(struct pattern *p)
{
    delete p;
}

size_t pattern_reach(const struct pattern *p)
{
    return p->reach;
}

int pattern_search(const struct pattern *p, const char *line, size_t n)
{
    try {
        /* The whole line is given, so that $ and \b do not take its cut for its end. */
        re2::StringPiece whole(line, n);
        return p->expression.Match(whole, 0, std::min(n, p->reach), RE2::UNANCHORED, nullptr, 0);
    } catch (const std::exception &) {
        return -1;
    }
}
