/* SPDX-License-Identifier: MIT
 *
 * The C face of toml++: parse, copy into plain nodes, let no exception out.
 * One thread, at the start. */
#include "common/toml.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <toml++/toml.h>

namespace
{

struct free_node {
    void operator()(conf_node *node) const noexcept
    {
        conf_free(node);
    }
};
using owned = std::unique_ptr<conf_node, free_node>;

owned make(conf_kind kind, const char *key, unsigned line)
{
    owned node(conf_new(kind, key, line));
    if (!node)
        throw std::bad_alloc();
    return node;
}

unsigned line_of(const toml::node &node)
{
    return static_cast<unsigned>(node.source().begin.line);
}

owned copy(const toml::node &from, const char *key);

void copy_children(conf_node *into, const toml::table &table)
{
    std::vector<std::pair<unsigned, owned>> children;
    for (auto &&[key, value] : table) {
        std::string name(key.str());
        if (name.find('\0') != std::string::npos)
            throw std::runtime_error("a NUL character in a key");
        children.emplace_back(key.source().begin.line, copy(value, name.c_str()));
    }
    std::stable_sort(children.begin(), children.end(),
                     [](auto &a, auto &b) { return a.first < b.first; });
    for (auto &child : children)
        conf_append(into, child.second.release());
}

void copy_value(conf_node *into, const toml::node &from)
{
    if (auto text = from.as_string()) {
        const std::string &value = text->get();
        if (value.find('\0') != std::string::npos)
            throw std::runtime_error("a NUL character in a string");
        into->text = strdup(value.c_str());
        if (!into->text)
            throw std::bad_alloc();
    } else if (auto integer = from.as_integer()) {
        into->integer = integer->get();
    } else if (auto number = from.as_floating_point()) {
        into->number = number->get();
    } else if (auto boolean = from.as_boolean()) {
        into->boolean = boolean->get();
    }
}

conf_kind kind_of(const toml::node &node)
{
    switch (node.type()) {
    case toml::node_type::table:
        return CONF_TABLE;
    case toml::node_type::array:
        return CONF_ARRAY;
    case toml::node_type::string:
        return CONF_TEXT;
    case toml::node_type::integer:
        return CONF_INTEGER;
    case toml::node_type::floating_point:
        return CONF_NUMBER;
    case toml::node_type::boolean:
        return CONF_BOOLEAN;
    default:
        return CONF_OTHER;
    }
}

owned copy(const toml::node &from, const char *key)
{
    owned node = make(kind_of(from), key, line_of(from));
    if (auto table = from.as_table())
        copy_children(node.get(), *table);
    else if (auto array = from.as_array())
        for (auto &item : *array)
            conf_append(node.get(), copy(item, nullptr).release());
    else
        copy_value(node.get(), from);
    return node;
}

} // namespace

int toml_read(struct conf_node **out, const char *text, size_t n, unsigned *line, char *why,
              size_t why_size)
{
    *line = 0;
    try {
        toml::table table = toml::parse(std::string_view(text, n));
        *out = copy(table, nullptr).release();
        return 0;
    } catch (const toml::parse_error &error) {
        *line = static_cast<unsigned>(error.source().begin.line);
        std::string_view words = error.description();
        std::snprintf(why, why_size, "%.*s", static_cast<int>(words.size()), words.data());
    } catch (const std::exception &error) {
        std::snprintf(why, why_size, "%s", error.what());
    } catch (...) {
        std::snprintf(why, why_size, "unknown error");
    }
    return -1;
}
