# SPDX-License-Identifier: GPL-2.0
"""One page that tells everything a recording shows.

Reading upwards: markup (HTML that cannot be injected into), values (how numbers
read), parts (tables, bars), talkers (a view that only the page has), all_views, told
(what every section is given), then a module for each section, and page, which puts
them in order.
"""
