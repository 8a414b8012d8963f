"""Direct links: two processes of one pipeline connected to each other, without a broker between.

A side *offers* where it can be reached (`endpoint`), the other connects (`dial`), both prove that
they know what only their assignments say (`handshake`), and frames go both ways (`connection`).
"""
