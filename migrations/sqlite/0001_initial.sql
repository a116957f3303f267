-- The first schema. Conventions, alike on both databases:
--   * an instant (`…_at`) is an INTEGER of microseconds since 1970, UTC; a local day is a TEXT `YYYY-MM-DD`;
--   * credits are an INTEGER of millionths, money is an INTEGER of minor units in the business's currency;
--   * `business_id` is in every key of a tenant's data, so that the tables can be distributed by it;
--   * `version` counts the changes of a row and is the caller's etag;
--   * `feed` is the order in which the rows of a table were written, by one writer and so for good; no number comes
--     again after a business has left, so that whoever follows the feed misses nothing;
--   * there are no other sequences, and no time is taken from the database.

-- Global tables: this list is exact. `schema_state` is made by the migrator itself.

CREATE TABLE businesses (
    id BLOB PRIMARY KEY,
    name TEXT NOT NULL,
    time_zone TEXT NOT NULL,
    locale TEXT NOT NULL,
    currency TEXT NOT NULL,
    feature_enabled INTEGER NOT NULL,
    account_payments_active INTEGER NOT NULL,
    prices_include_tax INTEGER NOT NULL,
    quarantine_days INTEGER NOT NULL CHECK (quarantine_days >= 0),
    policies TEXT NOT NULL,
    default_priority INTEGER NOT NULL,
    reminder_policy TEXT NOT NULL,
    invoicing TEXT NOT NULL,
    from_name TEXT,
    from_email TEXT,
    reply_to TEXT,
    link_base_url TEXT,
    logo_url TEXT,
    accent_colour TEXT,
    -- What the links in its e-mails are signed with.
    link_key BLOB NOT NULL,
    -- Since when it is on its way out, or not all of it is here yet: then nobody sees it.
    leaving_at INTEGER,
    created_at INTEGER NOT NULL,
    version INTEGER NOT NULL
) STRICT;

-- How each way out for e-mails fares, for all replicas: whether it rests, who tries, and what went out of late.
CREATE TABLE transports (
    name TEXT PRIMARY KEY,
    failures INTEGER NOT NULL,
    rests_until INTEGER,
    probed_until INTEGER,
    sent TEXT NOT NULL
) STRICT;

-- When each job last finished a run, on any replica.
CREATE TABLE job_runs (
    job TEXT PRIMARY KEY,
    finished_at INTEGER NOT NULL
) STRICT;

-- Access.

CREATE TABLE roles (
    business_id BLOB NOT NULL REFERENCES businesses (id),
    id BLOB NOT NULL,
    name TEXT NOT NULL,
    name_folded TEXT NOT NULL,
    permissions TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (business_id, id),
    UNIQUE (business_id, name_folded)
) STRICT;

CREATE TABLE users (
    business_id BLOB NOT NULL REFERENCES businesses (id),
    id BLOB NOT NULL,
    external_id TEXT,
    name TEXT NOT NULL,
    built_in_role TEXT,
    role_id BLOB,
    active INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (business_id, id),
    UNIQUE (business_id, external_id),
    CHECK (built_in_role IS NULL OR role_id IS NULL),
    FOREIGN KEY (business_id, role_id) REFERENCES roles (business_id, id)
) STRICT;

-- What commands did, and what was refused to whom: no personal data.
CREATE TABLE audit_events (
    business_id BLOB NOT NULL REFERENCES businesses (id),
    id BLOB NOT NULL,
    method TEXT NOT NULL,
    token_id BLOB,
    user_id BLOB,
    request_id BLOB,
    subjects TEXT NOT NULL,
    fields TEXT NOT NULL,
    denied_reason TEXT,
    times INTEGER NOT NULL CHECK (times >= 1),
    recorded_at INTEGER NOT NULL,
    PRIMARY KEY (business_id, id)
) STRICT;
CREATE INDEX audit_events_by_method ON audit_events (business_id, method, id);
CREATE INDEX audit_events_by_token ON audit_events (business_id, token_id, id);
CREATE INDEX audit_events_by_user ON audit_events (business_id, user_id, id) WHERE user_id IS NOT NULL;
CREATE INDEX audit_events_denied ON audit_events (business_id, id) WHERE denied_reason IS NOT NULL;

CREATE TABLE audit_subjects (
    business_id BLOB NOT NULL,
    subject TEXT NOT NULL,
    audit_event_id BLOB NOT NULL,
    PRIMARY KEY (business_id, subject, audit_event_id),
    FOREIGN KEY (business_id, audit_event_id) REFERENCES audit_events (business_id, id)
) STRICT;

CREATE INDEX audit_subjects_by_event ON audit_subjects (business_id, audit_event_id);

-- One row for each request that did something, so that its id does nothing else. Of a call of the ledger it has the id
-- alone, since all that is to be known of it lies in its entries. No business is referred to: it would be looked up for
-- each use of credits, as it is not for entries either.
CREATE TABLE requests (
    business_id BLOB NOT NULL,
    request_id BLOB NOT NULL,
    method TEXT,
    hash BLOB,
    answer TEXT,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (business_id, request_id)
) STRICT;
CREATE INDEX requests_answered ON requests (business_id, created_at) WHERE answer IS NOT NULL;

-- The catalogue.

CREATE TABLE credit_types (
    business_id BLOB NOT NULL REFERENCES businesses (id),
    id BLOB NOT NULL,
    external_id TEXT,
    name TEXT NOT NULL,
    name_plural TEXT NOT NULL,
    description TEXT NOT NULL,
    decimal_places INTEGER NOT NULL CHECK (decimal_places BETWEEN 0 AND 6),
    default_validity TEXT,
    archived_at INTEGER,
    created_at INTEGER NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (business_id, id),
    UNIQUE (business_id, external_id)
) STRICT;

CREATE TABLE items (
    business_id BLOB NOT NULL REFERENCES businesses (id),
    id BLOB NOT NULL,
    external_id TEXT,
    name TEXT NOT NULL,
    category TEXT NOT NULL,
    standard_rate_minor INTEGER,
    active INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (business_id, id),
    UNIQUE (business_id, external_id)
) STRICT;
CREATE INDEX items_by_category ON items (business_id, category, id);

CREATE TABLE templates (
    business_id BLOB NOT NULL REFERENCES businesses (id),
    id BLOB NOT NULL,
    external_id TEXT,
    state INTEGER NOT NULL,
    definition_version INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (business_id, id),
    UNIQUE (business_id, external_id)
) STRICT;
CREATE INDEX templates_by_state ON templates (business_id, state, id);

-- What a template offers; a version that was sold is never changed, an edit makes the next one.
CREATE TABLE template_versions (
    business_id BLOB NOT NULL,
    template_id BLOB NOT NULL,
    definition_version INTEGER NOT NULL,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    price_minor INTEGER NOT NULL CHECK (price_minor >= 0),
    tax_basis_points INTEGER NOT NULL CHECK (tax_basis_points >= 0),
    validity TEXT,
    priority INTEGER,
    quarantine_days INTEGER,
    reminder_leads TEXT,
    emails TEXT,
    freeze_policy TEXT,
    use_limit TEXT,
    booking_rules TEXT,
    transferable INTEGER,
    created_at INTEGER NOT NULL,
    pricing TEXT NOT NULL,
    is_freestyle INTEGER NOT NULL,
    overlap INTEGER NOT NULL,
    is_online INTEGER NOT NULL,
    share_max INTEGER NOT NULL CHECK (share_max > 0),
    issue_when INTEGER,
    PRIMARY KEY (business_id, template_id, definition_version),
    FOREIGN KEY (business_id, template_id) REFERENCES templates (business_id, id)
) STRICT;
CREATE INDEX template_versions_with_reminders ON template_versions (business_id)
    WHERE reminder_leads IS NOT NULL OR emails IS NOT NULL;

-- What one kind of credits pays for. Never changed, and shared by all packages that were sold with it.
-- A line of credits given by hand belongs to no template.
CREATE TABLE lines (
    business_id BLOB NOT NULL,
    id BLOB NOT NULL,
    template_id BLOB,
    definition_version INTEGER,
    position INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    credit_type_id BLOB NOT NULL,
    decimal_places INTEGER NOT NULL,
    quantity INTEGER NOT NULL CHECK (quantity > 0),
    rate_minor INTEGER CHECK (rate_minor >= 0),
    covers TEXT NOT NULL,
    emails TEXT,
    PRIMARY KEY (business_id, id),
    UNIQUE (business_id, template_id, definition_version, position),
    FOREIGN KEY (business_id, template_id, definition_version)
        REFERENCES template_versions (business_id, template_id, definition_version),
    FOREIGN KEY (business_id, credit_type_id) REFERENCES credit_types (business_id, id),
    CHECK ((kind = 2) = (rate_minor IS NOT NULL)) -- kind 2: a rate line
) STRICT;

-- Customers. Personal data lies here and nowhere else; `search_text` is folded by us, not by the database.

CREATE TABLE customers (
    business_id BLOB NOT NULL REFERENCES businesses (id),
    id BLOB NOT NULL,
    external_id TEXT,
    name TEXT NOT NULL,
    email TEXT,
    email_folded TEXT,
    email_verified INTEGER NOT NULL,
    phone TEXT,
    locale TEXT,
    time_zone TEXT,
    active INTEGER NOT NULL,
    may_purchase_on_account INTEGER NOT NULL,
    unsubscribed_at INTEGER,
    merged_into BLOB,
    erased_at INTEGER,
    search_text TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (business_id, id),
    UNIQUE (business_id, external_id)
) STRICT;
CREATE INDEX customers_by_email ON customers (business_id, email_folded);
CREATE INDEX customers_merged ON customers (business_id, merged_into, id) WHERE merged_into IS NOT NULL;

CREATE TABLE tokens (
    business_id BLOB NOT NULL REFERENCES businesses (id),
    id BLOB NOT NULL,
    name TEXT NOT NULL,
    secret_hash BLOB NOT NULL,
    previous_hash BLOB,
    previous_until INTEGER,
    permissions TEXT NOT NULL,
    user_id BLOB,
    customer_id BLOB,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    last_used_at INTEGER,
    revoked_at INTEGER,
    PRIMARY KEY (business_id, id),
    CHECK ((previous_hash IS NULL) = (previous_until IS NULL)),
    CHECK (customer_id IS NULL OR (user_id IS NULL AND expires_at IS NOT NULL)),
    FOREIGN KEY (business_id, user_id) REFERENCES users (business_id, id),
    FOREIGN KEY (business_id, customer_id) REFERENCES customers (business_id, id)
) STRICT;
CREATE INDEX tokens_by_customer ON tokens (business_id, customer_id, id) WHERE customer_id IS NOT NULL;

-- A group's e-mails go to its contact, who is always one of its members.
CREATE TABLE groups (
    business_id BLOB NOT NULL,
    id BLOB NOT NULL,
    external_id TEXT,
    name TEXT NOT NULL,
    contact_id BLOB NOT NULL,
    active INTEGER NOT NULL,
    search_text TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (business_id, id),
    UNIQUE (business_id, external_id),
    FOREIGN KEY (business_id, contact_id) REFERENCES customers (business_id, id)
) STRICT;
CREATE INDEX groups_by_contact ON groups (business_id, contact_id);

CREATE TABLE group_members (
    business_id BLOB NOT NULL,
    group_id BLOB NOT NULL,
    customer_id BLOB NOT NULL,
    added_at INTEGER NOT NULL,
    PRIMARY KEY (business_id, group_id, customer_id),
    FOREIGN KEY (business_id, group_id) REFERENCES groups (business_id, id),
    FOREIGN KEY (business_id, customer_id) REFERENCES customers (business_id, id)
) STRICT;
CREATE INDEX group_members_by_customer ON group_members (business_id, customer_id, group_id);

-- Sales and packages.

CREATE TABLE sales (
    business_id BLOB NOT NULL,
    id BLOB NOT NULL,
    request_id BLOB NOT NULL,
    customer_id BLOB NOT NULL,
    group_id BLOB,
    list_price_minor INTEGER NOT NULL,
    net_minor INTEGER NOT NULL,
    tax_minor INTEGER NOT NULL,
    total_minor INTEGER NOT NULL,
    paid_minor INTEGER NOT NULL,
    sold_by_kind INTEGER NOT NULL,
    sold_by BLOB,
    sold_at INTEGER NOT NULL,
    undone_at INTEGER,
    invoice_id BLOB,
    invoice_line_id BLOB,
    waiting TEXT,
    version INTEGER NOT NULL,
    PRIMARY KEY (business_id, id),
    CHECK ((invoice_id IS NULL) = (invoice_line_id IS NULL)),
    FOREIGN KEY (business_id, customer_id) REFERENCES customers (business_id, id)
) STRICT;
CREATE INDEX sales_by_customer ON sales (business_id, customer_id, id);
CREATE UNIQUE INDEX sales_by_invoice_line ON sales (business_id, invoice_line_id)
    WHERE invoice_line_id IS NOT NULL;

CREATE TABLE packages (
    business_id BLOB NOT NULL,
    id BLOB NOT NULL,
    external_id TEXT,
    sale_id BLOB,
    came_from BLOB,
    customer_id BLOB NOT NULL,
    group_id BLOB,
    share_max INTEGER NOT NULL DEFAULT 1 CHECK (share_max > 0),
    template_id BLOB,
    definition_version INTEGER,
    name TEXT NOT NULL,
    list_price_minor INTEGER NOT NULL,
    price_minor INTEGER NOT NULL,
    net_price_minor INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    quarantine_days INTEGER,
    validity TEXT NOT NULL,
    expiry_source INTEGER NOT NULL,
    time_zone TEXT NOT NULL,
    starts_at INTEGER NOT NULL,
    expires_at INTEGER,
    counts_from_first_use INTEGER NOT NULL,
    first_used_on TEXT,
    expiry_epoch INTEGER NOT NULL,
    frozen_at INTEGER,
    frozen_until_max INTEGER,
    expires_if_thawed INTEGER,
    freezes INTEGER NOT NULL,
    frozen_days INTEGER NOT NULL,
    revoked_at INTEGER,
    transferred_at INTEGER,
    transferred_to BLOB,
    queued_behind BLOB,
    is_followed INTEGER NOT NULL DEFAULT FALSE,
    use_limit TEXT,
    booking_rules TEXT,
    paid_at INTEGER,
    invoice_line_id BLOB,
    unpaid_uses INTEGER NOT NULL DEFAULT 0 CHECK (unpaid_uses >= 0),
    change_seq INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (business_id, id),
    UNIQUE (business_id, external_id),
    FOREIGN KEY (business_id, sale_id) REFERENCES sales (business_id, id),
    FOREIGN KEY (business_id, customer_id) REFERENCES customers (business_id, id),
    FOREIGN KEY (business_id, group_id) REFERENCES groups (business_id, id),
    CHECK (expires_at IS NULL OR expires_at > starts_at),
    CHECK ((transferred_at IS NULL) = (transferred_to IS NULL)),
    CHECK ((frozen_at IS NULL) = (frozen_until_max IS NULL)),
    CHECK ((frozen_at IS NULL) = (expires_if_thawed IS NULL)),
    CHECK (frozen_at IS NULL OR expires_at IS NULL)
) STRICT;
CREATE INDEX packages_by_customer ON packages (business_id, customer_id, id);
CREATE INDEX packages_by_expiry ON packages (business_id, expires_at, id);
CREATE INDEX packages_thawing ON packages (frozen_until_max) WHERE frozen_until_max IS NOT NULL;
CREATE INDEX packages_frozen ON packages (business_id, id) WHERE frozen_at IS NOT NULL;
CREATE INDEX packages_by_group ON packages (business_id, group_id, id) WHERE group_id IS NOT NULL;
CREATE INDEX packages_by_template ON packages (business_id, template_id, id) WHERE template_id IS NOT NULL;
CREATE INDEX packages_queued ON packages (business_id, queued_behind) WHERE queued_behind IS NOT NULL;
CREATE INDEX packages_by_sale ON packages (business_id, sale_id);

-- Subscriptions. `next_due_at` is when the first period that is not marked yet starts; none comes without it.
-- A period has a row once it is due or paid, and one package at most.

CREATE TABLE subscriptions (
    business_id BLOB NOT NULL REFERENCES businesses (id),
    id BLOB NOT NULL,
    external_id TEXT,
    customer_id BLOB NOT NULL,
    template_id BLOB NOT NULL,
    definition_version INTEGER NOT NULL,
    quantity INTEGER NOT NULL CHECK (quantity > 0),
    price_minor INTEGER NOT NULL CHECK (price_minor >= 0),
    every TEXT NOT NULL,
    carry_over TEXT NOT NULL,
    starts_on TEXT NOT NULL,
    time_zone TEXT NOT NULL,
    cancelled_at INTEGER,
    next_number INTEGER NOT NULL CHECK (next_number >= 0),
    next_due_at INTEGER,
    created_at INTEGER NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (business_id, id),
    UNIQUE (business_id, external_id),
    FOREIGN KEY (business_id, customer_id) REFERENCES customers (business_id, id),
    FOREIGN KEY (business_id, template_id, definition_version)
        REFERENCES template_versions (business_id, template_id, definition_version)
) STRICT;
CREATE INDEX subscriptions_by_customer ON subscriptions (business_id, customer_id, id);
CREATE INDEX subscriptions_running ON subscriptions (business_id, id) WHERE cancelled_at IS NULL;
CREATE INDEX subscriptions_cancelled ON subscriptions (business_id, id) WHERE cancelled_at IS NOT NULL;
CREATE INDEX subscriptions_due ON subscriptions (next_due_at) WHERE next_due_at IS NOT NULL;

CREATE TABLE subscription_periods (
    business_id BLOB NOT NULL,
    subscription_id BLOB NOT NULL,
    starts_on TEXT NOT NULL,
    next_starts_on TEXT NOT NULL,
    starts_at INTEGER NOT NULL,
    ends_at INTEGER NOT NULL,
    package_id BLOB,
    sale_id BLOB,
    paid_at INTEGER,
    carried_over_id BLOB,
    PRIMARY KEY (business_id, subscription_id, starts_on),
    FOREIGN KEY (business_id, subscription_id) REFERENCES subscriptions (business_id, id),
    FOREIGN KEY (business_id, package_id) REFERENCES packages (business_id, id),
    FOREIGN KEY (business_id, sale_id) REFERENCES sales (business_id, id),
    FOREIGN KEY (business_id, carried_over_id) REFERENCES packages (business_id, id),
    CHECK ((package_id IS NULL) = (sale_id IS NULL)),
    CHECK ((package_id IS NULL) = (paid_at IS NULL))
) STRICT;
CREATE INDEX subscription_periods_by_sale ON subscription_periods (business_id, sale_id) WHERE sale_id IS NOT NULL;

-- Who may use a package besides the customer in its row: those who share it, or the members of its group.
-- The row of one who may no longer stays, so that history is found.
CREATE TABLE package_members (
    business_id BLOB NOT NULL,
    customer_id BLOB NOT NULL,
    package_id BLOB NOT NULL,
    added_at INTEGER NOT NULL,
    removed_at INTEGER,
    PRIMARY KEY (business_id, customer_id, package_id),
    FOREIGN KEY (business_id, customer_id) REFERENCES customers (business_id, id),
    FOREIGN KEY (business_id, package_id) REFERENCES packages (business_id, id)
) STRICT;
CREATE INDEX package_members_by_package ON package_members (business_id, package_id);

-- Triggers. An event is kept once for each kind, name and subject, only if a trigger waits for it; a trigger
-- acts once on each. `event_scans` says until when the ledger was looked through for events.

CREATE TABLE triggers (
    business_id BLOB NOT NULL REFERENCES businesses (id),
    id BLOB NOT NULL,
    name TEXT NOT NULL,
    kind INTEGER NOT NULL,
    event_name TEXT NOT NULL,
    template_id BLOB,
    item_id BLOB,
    award TEXT NOT NULL,
    archived_at INTEGER,
    created_at INTEGER NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (business_id, id),
    FOREIGN KEY (business_id, template_id) REFERENCES templates (business_id, id),
    FOREIGN KEY (business_id, item_id) REFERENCES items (business_id, id)
) STRICT;
CREATE INDEX triggers_by_kind ON triggers (business_id, kind, id);

CREATE TABLE events (
    business_id BLOB NOT NULL REFERENCES businesses (id),
    id BLOB NOT NULL,
    kind INTEGER NOT NULL,
    name TEXT NOT NULL,
    subject TEXT NOT NULL,
    customer_id BLOB NOT NULL,
    package_id BLOB,
    item_id BLOB,
    occurred_at INTEGER NOT NULL,
    done_at INTEGER,
    PRIMARY KEY (business_id, id),
    UNIQUE (business_id, kind, name, subject),
    FOREIGN KEY (business_id, customer_id) REFERENCES customers (business_id, id),
    FOREIGN KEY (business_id, package_id) REFERENCES packages (business_id, id)
) STRICT;
CREATE INDEX events_by_customer ON events (business_id, customer_id);
CREATE INDEX events_pending ON events (business_id, occurred_at, id) WHERE done_at IS NULL;

CREATE TABLE trigger_runs (
    business_id BLOB NOT NULL,
    trigger_id BLOB NOT NULL,
    event_id BLOB NOT NULL,
    package_id BLOB,
    refusal TEXT NOT NULL,
    acted_at INTEGER NOT NULL,
    PRIMARY KEY (business_id, trigger_id, event_id),
    FOREIGN KEY (business_id, trigger_id) REFERENCES triggers (business_id, id),
    FOREIGN KEY (business_id, event_id) REFERENCES events (business_id, id),
    FOREIGN KEY (business_id, package_id) REFERENCES packages (business_id, id),
    CHECK ((package_id IS NULL) = (refusal <> ''))
) STRICT;
CREATE INDEX trigger_runs_by_package ON trigger_runs (business_id, package_id) WHERE package_id IS NOT NULL;

CREATE TABLE event_scans (
    business_id BLOB NOT NULL PRIMARY KEY REFERENCES businesses (id),
    scanned_until INTEGER NOT NULL
) STRICT;

-- The ledger. A lot caches what the fold of its entries says, and copies what deciding needs from its
-- package; `is_open` says that something is available or that a time-out may make it so, and
-- flips seldom, so that the partial indexes leave almost every update heap-only.

CREATE TABLE lots (
    business_id BLOB NOT NULL,
    id BLOB NOT NULL,
    package_id BLOB NOT NULL,
    line_id BLOB NOT NULL,
    customer_id BLOB NOT NULL,
    credit_type_id BLOB NOT NULL,
    origin INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    starts_at INTEGER NOT NULL,
    expires_at INTEGER,
    counts_from_first_use INTEGER NOT NULL,
    first_used_on TEXT,
    expires_if_unused INTEGER,
    time_zone TEXT NOT NULL,
    frozen INTEGER NOT NULL,
    frozen_until_max INTEGER,
    expires_if_thawed INTEGER,
    revoked INTEGER NOT NULL,
    is_followed INTEGER NOT NULL DEFAULT FALSE,
    is_limited INTEGER NOT NULL DEFAULT FALSE,
    issued_quantity INTEGER NOT NULL CHECK (issued_quantity > 0),
    issued_value INTEGER NOT NULL CHECK (issued_value >= 0),
    basis_quantity INTEGER NOT NULL CHECK (basis_quantity >= 0),
    basis_value INTEGER NOT NULL CHECK (basis_value >= 0),
    revalued INTEGER NOT NULL,
    issued INTEGER NOT NULL,
    available INTEGER NOT NULL CHECK (available >= 0),
    held INTEGER NOT NULL CHECK (held >= 0),
    consumed INTEGER NOT NULL CHECK (consumed >= 0),
    expired INTEGER NOT NULL CHECK (expired >= 0),
    revoked_credits INTEGER NOT NULL CHECK (revoked_credits >= 0),
    transferred INTEGER NOT NULL,
    value_unused INTEGER NOT NULL CHECK (value_unused >= 0),
    value_consumed INTEGER NOT NULL CHECK (value_consumed >= 0),
    value_expired INTEGER NOT NULL CHECK (value_expired >= 0),
    value_revoked INTEGER NOT NULL CHECK (value_revoked >= 0),
    value_transferred INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    last_posting_id BLOB NOT NULL,
    last_n INTEGER NOT NULL,
    last_hash BLOB NOT NULL,
    last_recorded_at INTEGER NOT NULL,
    next_timeout_at INTEGER,
    transferred_to BLOB,
    is_open INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (business_id, id),
    FOREIGN KEY (business_id, package_id) REFERENCES packages (business_id, id),
    FOREIGN KEY (business_id, line_id) REFERENCES lines (business_id, id),
    CHECK (issued + available + held + consumed + expired + revoked_credits + transferred = 0),
    CHECK (is_open = (available > 0 OR next_timeout_at IS NOT NULL))
) STRICT;
CREATE INDEX lots_by_package ON lots (business_id, package_id);
CREATE INDEX lots_by_customer ON lots (business_id, customer_id, id);
CREATE INDEX lots_open_by_customer ON lots (business_id, customer_id, priority, expires_at) WHERE is_open;
CREATE INDEX lots_due ON lots (expires_at) WHERE is_open;
CREATE INDEX lots_timing_out ON lots (next_timeout_at) WHERE next_timeout_at IS NOT NULL;

CREATE TABLE entries (
    feed INTEGER PRIMARY KEY AUTOINCREMENT,
    business_id BLOB NOT NULL,
    posting_id BLOB NOT NULL,
    lot_id BLOB NOT NULL,
    line_id BLOB NOT NULL,
    seq INTEGER NOT NULL,
    amount INTEGER NOT NULL,
    value INTEGER NOT NULL,
    effective_at INTEGER NOT NULL,
    recorded_at INTEGER NOT NULL,
    n INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    from_account INTEGER NOT NULL,
    to_account INTEGER NOT NULL,
    by_time INTEGER NOT NULL,
    available INTEGER NOT NULL,
    held INTEGER NOT NULL,
    consumed INTEGER NOT NULL,
    expired INTEGER NOT NULL,
    revoked INTEGER NOT NULL,
    transferred INTEGER NOT NULL,
    hash BLOB NOT NULL,
    method TEXT NOT NULL,
    actor_kind INTEGER NOT NULL,
    previous_posting_id BLOB,
    previous_n INTEGER,
    undoes_posting_id BLOB,
    undoes_n INTEGER,
    request_hash BLOB,
    actor_id BLOB,
    consumed_by BLOB,
    customer_id BLOB,
    item_id BLOB,
    units INTEGER,
    invoice_line_id BLOB,
    booking_id BLOB,
    hold_id BLOB,
    UNIQUE (business_id, posting_id, n)
) STRICT;
CREATE INDEX entries_by_recorded_at ON entries (business_id, recorded_at, lot_id, seq);
CREATE INDEX entries_undone ON entries (business_id, undoes_posting_id, undoes_n)
    WHERE undoes_posting_id IS NOT NULL;

-- Credits that are set aside. A hold's id is that of its posting; that it timed out is a fact of time and
-- not stored. `held` is what a part still holds: all of it, or nothing; `captured_…` is the entry by which the
-- time-out captured it.
CREATE TABLE holds (
    business_id BLOB NOT NULL,
    id BLOB NOT NULL,
    customer_id BLOB NOT NULL,
    item_id BLOB,
    consumed_by BLOB,
    invoice_line_id BLOB,
    booking_id BLOB,
    service_at INTEGER NOT NULL,
    times_out_at INTEGER,
    on_time_out INTEGER NOT NULL,
    ended_as INTEGER,
    ended_by BLOB,
    PRIMARY KEY (business_id, id),
    FOREIGN KEY (business_id, customer_id) REFERENCES customers (business_id, id),
    CHECK ((ended_as IS NULL) = (ended_by IS NULL))
) STRICT;

CREATE TABLE hold_lots (
    business_id BLOB NOT NULL,
    hold_id BLOB NOT NULL,
    n INTEGER NOT NULL,
    lot_id BLOB NOT NULL,
    amount INTEGER NOT NULL CHECK (amount > 0),
    units INTEGER,
    held INTEGER NOT NULL CHECK (held IN (0, amount)),
    captured_posting_id BLOB,
    captured_n INTEGER,
    PRIMARY KEY (business_id, hold_id, n),
    FOREIGN KEY (business_id, hold_id) REFERENCES holds (business_id, id),
    FOREIGN KEY (business_id, lot_id) REFERENCES lots (business_id, id)
) STRICT;
CREATE INDEX hold_lots_holding ON hold_lots (business_id, lot_id) WHERE held = amount;

-- An item for a customer at a time. What it holds is named by `hold_id`, what it used by `used_by`; `applied` says
-- of which packages. One booking has one open hold.
CREATE TABLE bookings (
    business_id BLOB NOT NULL,
    id BLOB NOT NULL,
    external_id TEXT,
    customer_id BLOB NOT NULL,
    item_id BLOB NOT NULL,
    units INTEGER NOT NULL CHECK (units > 0),
    starts_at INTEGER NOT NULL,
    ends_at INTEGER,
    note TEXT NOT NULL,
    series_id BLOB,
    series_index INTEGER,
    state INTEGER NOT NULL,
    ended_at INTEGER,
    by_business INTEGER NOT NULL,
    hold_id BLOB,
    used_by BLOB,
    applied TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (business_id, id),
    UNIQUE (business_id, external_id),
    UNIQUE (business_id, series_id, series_index),
    FOREIGN KEY (business_id, customer_id) REFERENCES customers (business_id, id),
    FOREIGN KEY (business_id, item_id) REFERENCES items (business_id, id),
    FOREIGN KEY (business_id, hold_id) REFERENCES holds (business_id, id),
    CHECK (ends_at > starts_at),
    CHECK ((series_id IS NULL) = (series_index IS NULL)),
    CHECK ((state = 1) = (ended_at IS NULL)),
    CHECK (hold_id IS NULL OR state = 1),
    CHECK (used_by IS NULL OR state <> 1)
) STRICT;
CREATE INDEX bookings_by_start ON bookings (business_id, starts_at, id);
CREATE INDEX bookings_by_customer ON bookings (business_id, customer_id, starts_at, id);
CREATE INDEX bookings_by_state ON bookings (business_id, state, starts_at, id);
CREATE INDEX bookings_by_series ON bookings (business_id, series_id, starts_at, id) WHERE series_id IS NOT NULL;
CREATE UNIQUE INDEX holds_of_booking ON holds (business_id, booking_id)
    WHERE booking_id IS NOT NULL AND ended_by IS NULL;

-- Invoices. A line asks for units of an item or sells a package of a template. Its credits are set aside by
-- `hold_id`, `used_by` is the posting that used them; `kept_minor` is what of it is still asked for since the rest was
-- voided. Numbers are given
-- one after the other from a row that is locked last.

CREATE TABLE invoices (
    business_id BLOB NOT NULL REFERENCES businesses (id),
    id BLOB NOT NULL,
    external_id TEXT,
    customer_id BLOB NOT NULL,
    state INTEGER NOT NULL,
    number INTEGER,
    prices_include_tax INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    issued_at INTEGER,
    voided_at INTEGER, -- from then on the invoice counts no more
    version INTEGER NOT NULL,
    PRIMARY KEY (business_id, id),
    UNIQUE (business_id, external_id),
    UNIQUE (business_id, number),
    FOREIGN KEY (business_id, customer_id) REFERENCES customers (business_id, id),
    CHECK ((number IS NULL) = (issued_at IS NULL))
) STRICT;
CREATE INDEX invoices_by_customer ON invoices (business_id, customer_id, id);
CREATE INDEX invoices_by_state ON invoices (business_id, state, id);

CREATE TABLE invoice_lines (
    business_id BLOB NOT NULL,
    id BLOB NOT NULL,
    invoice_id BLOB NOT NULL,
    position INTEGER NOT NULL,
    item_id BLOB,
    template_id BLOB,
    definition_version INTEGER,
    issue_when INTEGER,
    sale_id BLOB,
    package_id BLOB,
    description TEXT NOT NULL,
    quantity INTEGER NOT NULL CHECK (quantity > 0),
    unit_price_minor INTEGER NOT NULL CHECK (unit_price_minor >= 0),
    tax_basis_points INTEGER NOT NULL CHECK (tax_basis_points >= 0),
    hold_id BLOB,
    credit_units INTEGER CHECK (credit_units > 0 AND credit_units <= quantity),
    credit_packages TEXT,
    times_out_at INTEGER,
    used_by BLOB,
    returned_at INTEGER,
    kept_minor INTEGER CHECK (kept_minor >= 0),
    rate_line_id BLOB, -- the rate line that counts the units of the hold; then money pays them
    delivered_at INTEGER,
    PRIMARY KEY (business_id, id),
    FOREIGN KEY (business_id, invoice_id) REFERENCES invoices (business_id, id),
    FOREIGN KEY (business_id, item_id) REFERENCES items (business_id, id),
    FOREIGN KEY (business_id, template_id, definition_version)
        REFERENCES template_versions (business_id, template_id, definition_version),
    FOREIGN KEY (business_id, sale_id) REFERENCES sales (business_id, id),
    FOREIGN KEY (business_id, package_id) REFERENCES packages (business_id, id),
    FOREIGN KEY (business_id, rate_line_id) REFERENCES lines (business_id, id),
    CHECK ((item_id IS NULL) <> (template_id IS NULL)),
    CHECK ((template_id IS NULL) = (definition_version IS NULL)),
    CHECK ((template_id IS NULL) = (issue_when IS NULL)),
    CHECK ((sale_id IS NULL) = (package_id IS NULL)),
    CHECK (hold_id IS NULL OR item_id IS NOT NULL),
    CHECK (rate_line_id IS NULL OR credit_units = quantity),
    CHECK ((hold_id IS NULL) = (credit_units IS NULL)),
    CHECK ((hold_id IS NULL) = (credit_packages IS NULL))
) STRICT;
CREATE INDEX invoice_lines_by_invoice ON invoice_lines (business_id, invoice_id, position);

-- What was paid of a sale or of an invoice and given back, elsewhere, and written down here.
CREATE TABLE payments (
    business_id BLOB NOT NULL,
    id BLOB NOT NULL,
    sale_id BLOB,
    invoice_id BLOB,
    position INTEGER NOT NULL,
    request_id BLOB NOT NULL,
    kind INTEGER NOT NULL,
    method INTEGER NOT NULL,
    amount_minor INTEGER NOT NULL CHECK (amount_minor > 0),
    reference TEXT NOT NULL,
    recorded_at INTEGER NOT NULL,
    reversed_at INTEGER,
    PRIMARY KEY (business_id, id),
    UNIQUE (business_id, sale_id, position),
    UNIQUE (business_id, invoice_id, position),
    FOREIGN KEY (business_id, sale_id) REFERENCES sales (business_id, id),
    FOREIGN KEY (business_id, invoice_id) REFERENCES invoices (business_id, id),
    CHECK ((sale_id IS NULL) <> (invoice_id IS NULL))
) STRICT;

-- What the payment system is to charge. That it timed out is a fact of time; a job writes it.
CREATE TABLE charge_requests (
    feed INTEGER PRIMARY KEY AUTOINCREMENT,
    business_id BLOB NOT NULL,
    id BLOB NOT NULL,
    sale_id BLOB,
    invoice_id BLOB,
    customer_id BLOB NOT NULL,
    amount_minor INTEGER NOT NULL CHECK (amount_minor > 0),
    currency TEXT NOT NULL,
    state INTEGER NOT NULL,
    times_out_at INTEGER NOT NULL,
    recorded_at INTEGER NOT NULL,
    answered_at INTEGER,
    payment_id BLOB,
    cause TEXT NOT NULL,
    UNIQUE (business_id, id),
    FOREIGN KEY (business_id, sale_id) REFERENCES sales (business_id, id),
    FOREIGN KEY (business_id, invoice_id) REFERENCES invoices (business_id, id),
    FOREIGN KEY (business_id, customer_id) REFERENCES customers (business_id, id),
    FOREIGN KEY (business_id, payment_id) REFERENCES payments (business_id, id),
    CHECK ((sale_id IS NULL) <> (invoice_id IS NULL))
) STRICT;
CREATE INDEX charge_requests_by_state ON charge_requests (business_id, state, id);
CREATE INDEX charge_requests_by_recorded_at ON charge_requests (business_id, recorded_at, id);
CREATE INDEX charge_requests_by_sale ON charge_requests (business_id, sale_id, state, id);
CREATE INDEX charge_requests_by_invoice ON charge_requests (business_id, invoice_id, state, id);
CREATE INDEX charge_requests_due ON charge_requests (state, times_out_at);

CREATE TABLE invoice_numbers (
    business_id BLOB PRIMARY KEY REFERENCES businesses (id),
    last_number INTEGER NOT NULL CHECK (last_number > 0)
) STRICT;

-- Free text of postings and changes: outside the hash, so that it can be erased.
CREATE TABLE posting_notes (
    business_id BLOB NOT NULL,
    posting_id BLOB NOT NULL,
    note TEXT NOT NULL,
    PRIMARY KEY (business_id, posting_id)
) STRICT;

-- What changed on a package and is not an entry.
CREATE TABLE changes (
    feed INTEGER PRIMARY KEY AUTOINCREMENT,
    business_id BLOB NOT NULL,
    package_id BLOB NOT NULL,
    seq INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    old_value TEXT NOT NULL,
    new_value TEXT NOT NULL,
    request_id BLOB NOT NULL,
    actor_kind INTEGER NOT NULL,
    actor_id BLOB,
    effective_at INTEGER NOT NULL,
    recorded_at INTEGER NOT NULL,
    UNIQUE (business_id, package_id, seq),
    FOREIGN KEY (business_id, package_id) REFERENCES packages (business_id, id)
) STRICT;

-- History leaves with its business and in no other way. `PRAGMA recursive_triggers = ON` makes INSERT OR REPLACE fire
-- the delete triggers.
CREATE TRIGGER entries_are_never_updated BEFORE UPDATE ON entries
    BEGIN SELECT RAISE(ABORT, 'entries is append-only'); END;
CREATE TRIGGER entries_are_never_deleted BEFORE DELETE ON entries
    WHEN NOT EXISTS (SELECT 1 FROM businesses WHERE id = OLD.business_id AND leaving_at IS NOT NULL)
    BEGIN SELECT RAISE(ABORT, 'entries is append-only'); END;
CREATE TRIGGER changes_are_never_updated BEFORE UPDATE ON changes
    BEGIN SELECT RAISE(ABORT, 'changes is append-only'); END;
CREATE TRIGGER changes_are_never_deleted BEFORE DELETE ON changes
    WHEN NOT EXISTS (SELECT 1 FROM businesses WHERE id = OLD.business_id AND leaving_at IS NOT NULL)
    BEGIN SELECT RAISE(ABORT, 'changes is append-only'); END;

-- Work on many packages, a part at a time: a run has looked at all packages down to `before_id`, and at no
-- other. A package has a result if the run moved or refused it.
CREATE TABLE bulk_runs (
    business_id BLOB NOT NULL REFERENCES businesses (id),
    id BLOB NOT NULL,
    work TEXT NOT NULL,
    selection TEXT NOT NULL,
    reason TEXT NOT NULL,
    actor_kind INTEGER NOT NULL,
    actor_id BLOB,
    before_id BLOB,
    changed INTEGER NOT NULL,
    refused INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    finished_at INTEGER,
    PRIMARY KEY (business_id, id)
) STRICT;
CREATE INDEX bulk_runs_open ON bulk_runs (created_at) WHERE finished_at IS NULL;

CREATE TABLE bulk_results (
    business_id BLOB NOT NULL,
    run_id BLOB NOT NULL,
    package_id BLOB NOT NULL,
    old_expires_at INTEGER,
    new_expires_at INTEGER,
    reason TEXT,
    message TEXT,
    PRIMARY KEY (business_id, run_id, package_id),
    FOREIGN KEY (business_id, run_id) REFERENCES bulk_runs (business_id, id),
    FOREIGN KEY (business_id, package_id) REFERENCES packages (business_id, id),
    CHECK ((reason IS NULL) = (message IS NULL))
) STRICT;
CREATE INDEX bulk_results_refused ON bulk_results (business_id, run_id, package_id) WHERE reason IS NOT NULL;

-- Days on which a business is closed, and which of them a package got back at its end; `waiting` says that it
-- waited for its first use then, with an end that the first use has replaced since.
CREATE TABLE closures (
    business_id BLOB NOT NULL REFERENCES businesses (id),
    id BLOB NOT NULL,
    name TEXT NOT NULL,
    first_day TEXT NOT NULL,
    last_day TEXT NOT NULL CHECK (last_day >= first_day),
    template_id BLOB,
    run_id BLOB NOT NULL,
    undone_at INTEGER,
    created_at INTEGER NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (business_id, id),
    FOREIGN KEY (business_id, template_id) REFERENCES templates (business_id, id),
    FOREIGN KEY (business_id, run_id) REFERENCES bulk_runs (business_id, id)
) STRICT;

CREATE TABLE closure_packages (
    business_id BLOB NOT NULL,
    package_id BLOB NOT NULL,
    closure_id BLOB NOT NULL,
    days TEXT NOT NULL,
    waiting INTEGER NOT NULL,
    PRIMARY KEY (business_id, package_id, closure_id),
    FOREIGN KEY (business_id, package_id) REFERENCES packages (business_id, id),
    FOREIGN KEY (business_id, closure_id) REFERENCES closures (business_id, id)
) STRICT;
CREATE INDEX closure_packages_by_closure ON closure_packages (business_id, closure_id, package_id);

-- Mail. A notice is one fact to tell a customer; an e-mail carries one or more of them.

CREATE TABLE emails (
    business_id BLOB NOT NULL REFERENCES businesses (id),
    id BLOB NOT NULL,
    customer_id BLOB,
    is_test INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    occasion TEXT NOT NULL,
    state INTEGER NOT NULL,
    reason TEXT,
    mail_day TEXT,
    due_at INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    lease_until INTEGER,
    fence INTEGER NOT NULL,
    message_id TEXT,
    to_address TEXT,
    envelope TEXT,
    subject TEXT,
    html_body TEXT,
    text_body TEXT,
    rendered_at INTEGER,
    created_at INTEGER NOT NULL,
    finished_at INTEGER,
    PRIMARY KEY (business_id, id),
    UNIQUE (business_id, customer_id, kind, occasion),
    FOREIGN KEY (business_id, customer_id) REFERENCES customers (business_id, id)
) STRICT;
-- There is none by due_at alone: whoever wants the next ones of a business would have to read those of all.
CREATE INDEX emails_waiting ON emails (business_id, due_at, id) WHERE finished_at IS NULL;
CREATE INDEX emails_by_customer ON emails (business_id, customer_id, id);
CREATE INDEX emails_with_text ON emails (business_id, finished_at, id)
    WHERE to_address IS NOT NULL AND finished_at IS NOT NULL;
CREATE INDEX emails_by_state ON emails (business_id, state, id);
CREATE INDEX emails_tests ON emails (business_id, created_at) WHERE is_test;

CREATE TABLE notices (
    business_id BLOB NOT NULL,
    id BLOB NOT NULL,
    kind INTEGER NOT NULL,
    package_id BLOB NOT NULL,
    cause TEXT NOT NULL,
    customer_id BLOB NOT NULL,
    email_id BLOB,
    expiry_epoch INTEGER NOT NULL,
    lead_days INTEGER,
    dropped_reason TEXT,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (business_id, id),
    UNIQUE (business_id, kind, package_id, cause),
    FOREIGN KEY (business_id, package_id) REFERENCES packages (business_id, id),
    FOREIGN KEY (business_id, email_id) REFERENCES emails (business_id, id)
) STRICT;
CREATE INDEX notices_by_package ON notices (business_id, package_id);
CREATE INDEX notices_by_email ON notices (business_id, email_id);

-- One row for each attempt, written before its first byte goes out.
CREATE TABLE email_attempts (
    business_id BLOB NOT NULL,
    email_id BLOB NOT NULL,
    attempt INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    finished_at INTEGER,
    outcome INTEGER,
    smtp_code INTEGER,
    detail TEXT,
    PRIMARY KEY (business_id, email_id, attempt),
    FOREIGN KEY (business_id, email_id) REFERENCES emails (business_id, id)
) STRICT;

-- One run for each business and local day decides which timed e-mails there are.
CREATE TABLE mail_days (
    business_id BLOB NOT NULL REFERENCES businesses (id),
    local_day TEXT NOT NULL,
    due_at INTEGER NOT NULL,
    lease_until INTEGER,
    fence INTEGER NOT NULL,
    done_at INTEGER,
    PRIMARY KEY (business_id, local_day)
) STRICT;

-- How many e-mails of a business went out of late; a row only where there is a limit.
CREATE TABLE mail_rates (
    business_id BLOB PRIMARY KEY REFERENCES businesses (id),
    sent TEXT NOT NULL
) STRICT;

CREATE TABLE suppressions (
    business_id BLOB NOT NULL REFERENCES businesses (id),
    address_folded TEXT NOT NULL,
    reason TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (business_id, address_folded)
) STRICT;

-- What a business wrote in place of the templates that are shipped. Without texts: it was reset.
CREATE TABLE email_templates (
    business_id BLOB NOT NULL REFERENCES businesses (id),
    kind INTEGER NOT NULL,
    locale TEXT NOT NULL,
    subject TEXT,
    text_body TEXT,
    html_body TEXT,
    updated_at INTEGER NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (business_id, kind, locale)
) STRICT;
