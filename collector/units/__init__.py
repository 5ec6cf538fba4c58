"""Physical units as UCUM codes: whether a code is one (`code`), how two of them relate (`scaling`), whether a sender
and a site's mapping mean the same (`agreement`). Pure; the table is UCUM's own file (`table`)."""
