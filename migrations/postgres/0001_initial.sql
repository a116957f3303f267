-- The first schema. Conventions, alike on both databases:
--   * an instant (`…_at`) is a BIGINT of microseconds since 1970, UTC; a local day is a DATE;
--   * credits are a BIGINT of millionths, money is a BIGINT of minor units in the business's currency;
--   * `business_id` is in every key of a tenant's data, so that the tables can be distributed by it;
--   * `version` counts the changes of a row and is the caller's etag;
--   * `feed` is the transaction that wrote the row: what lies below the oldest running one is there for good;
--   * there are no sequences, and no time is taken from the database.

-- Global tables: this list is exact. `schema_state` is made by the migrator itself.

CREATE TABLE businesses (
    id UUID PRIMARY KEY,
    name TEXT NOT NULL,
    time_zone TEXT NOT NULL,
    locale TEXT NOT NULL,
    currency TEXT NOT NULL,
    feature_enabled BOOLEAN NOT NULL,
    account_payments_active BOOLEAN NOT NULL,
    prices_include_tax BOOLEAN NOT NULL,
    quarantine_days INTEGER NOT NULL CHECK (quarantine_days >= 0),
    policies JSONB NOT NULL,
    default_priority INTEGER NOT NULL,
    reminder_policy JSONB NOT NULL,
    invoicing JSONB NOT NULL,
    from_name TEXT,
    from_email TEXT,
    reply_to TEXT,
    link_base_url TEXT,
    logo_url TEXT,
    accent_colour TEXT,
    -- What the links in its e-mails are signed with.
    link_key BYTEA NOT NULL,
    -- Since when it is on its way out, or not all of it is here yet: then nobody sees it.
    leaving_at BIGINT,
    created_at BIGINT NOT NULL,
    version BIGINT NOT NULL
);

-- How each way out for e-mails fares, for all replicas: whether it rests, who tries, and what went out of late.
CREATE TABLE transports (
    name TEXT PRIMARY KEY,
    failures INTEGER NOT NULL,
    rests_until BIGINT,
    probed_until BIGINT,
    sent JSONB NOT NULL
);

-- When each job last finished a run, on any replica.
CREATE TABLE job_runs (
    job TEXT PRIMARY KEY,
    finished_at BIGINT NOT NULL
);

-- Access.

CREATE TABLE roles (
    business_id UUID NOT NULL REFERENCES businesses (id),
    id UUID NOT NULL,
    name TEXT NOT NULL,
    name_folded TEXT NOT NULL,
    permissions JSONB NOT NULL,
    created_at BIGINT NOT NULL,
    version BIGINT NOT NULL,
    PRIMARY KEY (business_id, id),
    UNIQUE (business_id, name_folded)
);

CREATE TABLE users (
    business_id UUID NOT NULL REFERENCES businesses (id),
    id UUID NOT NULL,
    external_id TEXT,
    name TEXT NOT NULL,
    built_in_role TEXT,
    role_id UUID,
    active BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    version BIGINT NOT NULL,
    PRIMARY KEY (business_id, id),
    UNIQUE (business_id, external_id),
    CHECK (built_in_role IS NULL OR role_id IS NULL),
    FOREIGN KEY (business_id, role_id) REFERENCES roles (business_id, id)
);

-- What commands did, and what was refused to whom: no personal data.
CREATE TABLE audit_events (
    business_id UUID NOT NULL REFERENCES businesses (id),
    id UUID NOT NULL,
    method TEXT NOT NULL,
    token_id UUID,
    user_id UUID,
    request_id UUID,
    subjects JSONB NOT NULL,
    fields JSONB NOT NULL,
    denied_reason TEXT,
    times BIGINT NOT NULL CHECK (times >= 1),
    recorded_at BIGINT NOT NULL,
    PRIMARY KEY (business_id, id)
);
CREATE INDEX audit_events_by_method ON audit_events (business_id, method, id);
CREATE INDEX audit_events_by_token ON audit_events (business_id, token_id, id);
CREATE INDEX audit_events_by_user ON audit_events (business_id, user_id, id) WHERE user_id IS NOT NULL;
CREATE INDEX audit_events_denied ON audit_events (business_id, id) WHERE denied_reason IS NOT NULL;

CREATE TABLE audit_subjects (
    business_id UUID NOT NULL,
    subject TEXT NOT NULL,
    audit_event_id UUID NOT NULL,
    PRIMARY KEY (business_id, subject, audit_event_id),
    FOREIGN KEY (business_id, audit_event_id) REFERENCES audit_events (business_id, id)
);

CREATE INDEX audit_subjects_by_event ON audit_subjects (business_id, audit_event_id);

-- One row for each request that did something, so that its id does nothing else. Of a call of the ledger it has the id
-- alone, since all that is to be known of it lies in its entries. No business is referred to: it would be looked up for
-- each use of credits, as it is not for entries either.
CREATE TABLE requests (
    business_id UUID NOT NULL,
    request_id UUID NOT NULL,
    method TEXT,
    hash BYTEA,
    answer JSONB,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (business_id, request_id)
);
CREATE INDEX requests_answered ON requests (business_id, created_at) WHERE answer IS NOT NULL;

-- The catalogue.

CREATE TABLE credit_types (
    business_id UUID NOT NULL REFERENCES businesses (id),
    id UUID NOT NULL,
    external_id TEXT,
    name TEXT NOT NULL,
    name_plural TEXT NOT NULL,
    description TEXT NOT NULL,
    decimal_places SMALLINT NOT NULL CHECK (decimal_places BETWEEN 0 AND 6),
    default_validity JSONB,
    archived_at BIGINT,
    created_at BIGINT NOT NULL,
    version BIGINT NOT NULL,
    PRIMARY KEY (business_id, id),
    UNIQUE (business_id, external_id)
);

CREATE TABLE items (
    business_id UUID NOT NULL REFERENCES businesses (id),
    id UUID NOT NULL,
    external_id TEXT,
    name TEXT NOT NULL,
    category TEXT NOT NULL,
    standard_rate_minor BIGINT,
    active BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    version BIGINT NOT NULL,
    PRIMARY KEY (business_id, id),
    UNIQUE (business_id, external_id)
);
CREATE INDEX items_by_category ON items (business_id, category, id);

CREATE TABLE templates (
    business_id UUID NOT NULL REFERENCES businesses (id),
    id UUID NOT NULL,
    external_id TEXT,
    state SMALLINT NOT NULL,
    definition_version INTEGER NOT NULL,
    created_at BIGINT NOT NULL,
    version BIGINT NOT NULL,
    PRIMARY KEY (business_id, id),
    UNIQUE (business_id, external_id)
);
CREATE INDEX templates_by_state ON templates (business_id, state, id);

-- What a template offers; a version that was sold is never changed, an edit makes the next one.
CREATE TABLE template_versions (
    business_id UUID NOT NULL,
    template_id UUID NOT NULL,
    definition_version INTEGER NOT NULL,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    price_minor BIGINT NOT NULL CHECK (price_minor >= 0),
    tax_basis_points INTEGER NOT NULL CHECK (tax_basis_points >= 0),
    validity JSONB,
    priority INTEGER,
    quarantine_days INTEGER,
    reminder_leads JSONB,
    emails JSONB,
    freeze_policy JSONB,
    use_limit JSONB,
    booking_rules JSONB,
    transferable BOOLEAN,
    created_at BIGINT NOT NULL,
    pricing JSONB NOT NULL,
    is_freestyle BOOLEAN NOT NULL,
    overlap SMALLINT NOT NULL,
    is_online BOOLEAN NOT NULL,
    share_max INTEGER NOT NULL CHECK (share_max > 0),
    issue_when SMALLINT,
    PRIMARY KEY (business_id, template_id, definition_version),
    FOREIGN KEY (business_id, template_id) REFERENCES templates (business_id, id)
);
CREATE INDEX template_versions_with_reminders ON template_versions (business_id)
    WHERE reminder_leads IS NOT NULL OR emails IS NOT NULL;

-- What one kind of credits pays for. Never changed, and shared by all packages that were sold with it.
-- A line of credits given by hand belongs to no template.
CREATE TABLE lines (
    business_id UUID NOT NULL,
    id UUID NOT NULL,
    template_id UUID,
    definition_version INTEGER,
    position INTEGER NOT NULL,
    kind SMALLINT NOT NULL,
    credit_type_id UUID NOT NULL,
    decimal_places SMALLINT NOT NULL,
    quantity BIGINT NOT NULL CHECK (quantity > 0),
    rate_minor BIGINT CHECK (rate_minor >= 0),
    covers JSONB NOT NULL,
    emails JSONB,
    PRIMARY KEY (business_id, id),
    UNIQUE (business_id, template_id, definition_version, position),
    FOREIGN KEY (business_id, template_id, definition_version)
        REFERENCES template_versions (business_id, template_id, definition_version),
    FOREIGN KEY (business_id, credit_type_id) REFERENCES credit_types (business_id, id),
    CHECK ((kind = 2) = (rate_minor IS NOT NULL)) -- kind 2: a rate line
);

-- Customers. Personal data lies here and nowhere else; `search_text` is folded by us, not by the database.

CREATE TABLE customers (
    business_id UUID NOT NULL REFERENCES businesses (id),
    id UUID NOT NULL,
    external_id TEXT,
    name TEXT NOT NULL,
    email TEXT,
    email_folded TEXT,
    email_verified BOOLEAN NOT NULL,
    phone TEXT,
    locale TEXT,
    time_zone TEXT,
    active BOOLEAN NOT NULL,
    may_purchase_on_account BOOLEAN NOT NULL,
    unsubscribed_at BIGINT,
    merged_into UUID,
    erased_at BIGINT,
    search_text TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    version BIGINT NOT NULL,
    PRIMARY KEY (business_id, id),
    UNIQUE (business_id, external_id)
);
CREATE INDEX customers_by_email ON customers (business_id, email_folded);
CREATE INDEX customers_merged ON customers (business_id, merged_into, id) WHERE merged_into IS NOT NULL;

CREATE TABLE tokens (
    business_id UUID NOT NULL REFERENCES businesses (id),
    id UUID NOT NULL,
    name TEXT NOT NULL,
    secret_hash BYTEA NOT NULL,
    previous_hash BYTEA,
    previous_until BIGINT,
    permissions JSONB NOT NULL,
    user_id UUID,
    customer_id UUID,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    last_used_at BIGINT,
    revoked_at BIGINT,
    PRIMARY KEY (business_id, id),
    CHECK ((previous_hash IS NULL) = (previous_until IS NULL)),
    CHECK (customer_id IS NULL OR (user_id IS NULL AND expires_at IS NOT NULL)),
    FOREIGN KEY (business_id, user_id) REFERENCES users (business_id, id),
    FOREIGN KEY (business_id, customer_id) REFERENCES customers (business_id, id)
);
CREATE INDEX tokens_by_customer ON tokens (business_id, customer_id, id) WHERE customer_id IS NOT NULL;

-- A group's e-mails go to its contact, who is always one of its members.
CREATE TABLE groups (
    business_id UUID NOT NULL,
    id UUID NOT NULL,
    external_id TEXT,
    name TEXT NOT NULL,
    contact_id UUID NOT NULL,
    active BOOLEAN NOT NULL,
    search_text TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    version BIGINT NOT NULL,
    PRIMARY KEY (business_id, id),
    UNIQUE (business_id, external_id),
    FOREIGN KEY (business_id, contact_id) REFERENCES customers (business_id, id)
);
CREATE INDEX groups_by_contact ON groups (business_id, contact_id);

CREATE TABLE group_members (
    business_id UUID NOT NULL,
    group_id UUID NOT NULL,
    customer_id UUID NOT NULL,
    added_at BIGINT NOT NULL,
    PRIMARY KEY (business_id, group_id, customer_id),
    FOREIGN KEY (business_id, group_id) REFERENCES groups (business_id, id),
    FOREIGN KEY (business_id, customer_id) REFERENCES customers (business_id, id)
);
CREATE INDEX group_members_by_customer ON group_members (business_id, customer_id, group_id);

-- Sales and packages.

CREATE TABLE sales (
    business_id UUID NOT NULL,
    id UUID NOT NULL,
    request_id UUID NOT NULL,
    customer_id UUID NOT NULL,
    group_id UUID,
    list_price_minor BIGINT NOT NULL,
    net_minor BIGINT NOT NULL,
    tax_minor BIGINT NOT NULL,
    total_minor BIGINT NOT NULL,
    paid_minor BIGINT NOT NULL,
    sold_by_kind SMALLINT NOT NULL,
    sold_by UUID,
    sold_at BIGINT NOT NULL,
    undone_at BIGINT,
    invoice_id UUID,
    invoice_line_id UUID,
    waiting JSONB,
    version BIGINT NOT NULL,
    PRIMARY KEY (business_id, id),
    CHECK ((invoice_id IS NULL) = (invoice_line_id IS NULL)),
    FOREIGN KEY (business_id, customer_id) REFERENCES customers (business_id, id)
);
CREATE INDEX sales_by_customer ON sales (business_id, customer_id, id);
CREATE UNIQUE INDEX sales_by_invoice_line ON sales (business_id, invoice_line_id)
    WHERE invoice_line_id IS NOT NULL;

CREATE TABLE packages (
    business_id UUID NOT NULL,
    id UUID NOT NULL,
    external_id TEXT,
    sale_id UUID,
    came_from UUID,
    customer_id UUID NOT NULL,
    group_id UUID,
    share_max INTEGER NOT NULL DEFAULT 1 CHECK (share_max > 0),
    template_id UUID,
    definition_version INTEGER,
    name TEXT NOT NULL,
    list_price_minor BIGINT NOT NULL,
    price_minor BIGINT NOT NULL,
    net_price_minor BIGINT NOT NULL,
    priority INTEGER NOT NULL,
    quarantine_days INTEGER,
    validity JSONB NOT NULL,
    expiry_source SMALLINT NOT NULL,
    time_zone TEXT NOT NULL,
    starts_at BIGINT NOT NULL,
    expires_at BIGINT,
    counts_from_first_use BOOLEAN NOT NULL,
    first_used_on DATE,
    expiry_epoch INTEGER NOT NULL,
    frozen_at BIGINT,
    frozen_until_max BIGINT,
    expires_if_thawed BIGINT,
    freezes INTEGER NOT NULL,
    frozen_days INTEGER NOT NULL,
    revoked_at BIGINT,
    transferred_at BIGINT,
    transferred_to UUID,
    queued_behind UUID,
    is_followed BOOLEAN NOT NULL DEFAULT FALSE,
    use_limit JSONB,
    booking_rules JSONB,
    paid_at BIGINT,
    invoice_line_id UUID,
    unpaid_uses INTEGER NOT NULL DEFAULT 0 CHECK (unpaid_uses >= 0),
    change_seq INTEGER NOT NULL,
    created_at BIGINT NOT NULL,
    version BIGINT NOT NULL,
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
);
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
    business_id UUID NOT NULL REFERENCES businesses (id),
    id UUID NOT NULL,
    external_id TEXT,
    customer_id UUID NOT NULL,
    template_id UUID NOT NULL,
    definition_version INTEGER NOT NULL,
    quantity INTEGER NOT NULL CHECK (quantity > 0),
    price_minor BIGINT NOT NULL CHECK (price_minor >= 0),
    every JSONB NOT NULL,
    carry_over JSONB NOT NULL,
    starts_on DATE NOT NULL,
    time_zone TEXT NOT NULL,
    cancelled_at BIGINT,
    next_number INTEGER NOT NULL CHECK (next_number >= 0),
    next_due_at BIGINT,
    created_at BIGINT NOT NULL,
    version BIGINT NOT NULL,
    PRIMARY KEY (business_id, id),
    UNIQUE (business_id, external_id),
    FOREIGN KEY (business_id, customer_id) REFERENCES customers (business_id, id),
    FOREIGN KEY (business_id, template_id, definition_version)
        REFERENCES template_versions (business_id, template_id, definition_version)
);
CREATE INDEX subscriptions_by_customer ON subscriptions (business_id, customer_id, id);
CREATE INDEX subscriptions_running ON subscriptions (business_id, id) WHERE cancelled_at IS NULL;
CREATE INDEX subscriptions_cancelled ON subscriptions (business_id, id) WHERE cancelled_at IS NOT NULL;
CREATE INDEX subscriptions_due ON subscriptions (next_due_at) WHERE next_due_at IS NOT NULL;

CREATE TABLE subscription_periods (
    business_id UUID NOT NULL,
    subscription_id UUID NOT NULL,
    starts_on DATE NOT NULL,
    next_starts_on DATE NOT NULL,
    starts_at BIGINT NOT NULL,
    ends_at BIGINT NOT NULL,
    package_id UUID,
    sale_id UUID,
    paid_at BIGINT,
    carried_over_id UUID,
    PRIMARY KEY (business_id, subscription_id, starts_on),
    FOREIGN KEY (business_id, subscription_id) REFERENCES subscriptions (business_id, id),
    FOREIGN KEY (business_id, package_id) REFERENCES packages (business_id, id),
    FOREIGN KEY (business_id, sale_id) REFERENCES sales (business_id, id),
    FOREIGN KEY (business_id, carried_over_id) REFERENCES packages (business_id, id),
    CHECK ((package_id IS NULL) = (sale_id IS NULL)),
    CHECK ((package_id IS NULL) = (paid_at IS NULL))
);
CREATE INDEX subscription_periods_by_sale ON subscription_periods (business_id, sale_id) WHERE sale_id IS NOT NULL;

-- Who may use a package besides the customer in its row: those who share it, or the members of its group.
-- The row of one who may no longer stays, so that history is found.
CREATE TABLE package_members (
    business_id UUID NOT NULL,
    customer_id UUID NOT NULL,
    package_id UUID NOT NULL,
    added_at BIGINT NOT NULL,
    removed_at BIGINT,
    PRIMARY KEY (business_id, customer_id, package_id),
    FOREIGN KEY (business_id, customer_id) REFERENCES customers (business_id, id),
    FOREIGN KEY (business_id, package_id) REFERENCES packages (business_id, id)
);
CREATE INDEX package_members_by_package ON package_members (business_id, package_id);

-- Triggers. An event is kept once for each kind, name and subject, only if a trigger waits for it; a trigger
-- acts once on each. `event_scans` says until when the ledger was looked through for events.

CREATE TABLE triggers (
    business_id UUID NOT NULL REFERENCES businesses (id),
    id UUID NOT NULL,
    name TEXT NOT NULL,
    kind SMALLINT NOT NULL,
    event_name TEXT NOT NULL,
    template_id UUID,
    item_id UUID,
    award JSONB NOT NULL,
    archived_at BIGINT,
    created_at BIGINT NOT NULL,
    version BIGINT NOT NULL,
    PRIMARY KEY (business_id, id),
    FOREIGN KEY (business_id, template_id) REFERENCES templates (business_id, id),
    FOREIGN KEY (business_id, item_id) REFERENCES items (business_id, id)
);
CREATE INDEX triggers_by_kind ON triggers (business_id, kind, id);

CREATE TABLE events (
    business_id UUID NOT NULL REFERENCES businesses (id),
    id UUID NOT NULL,
    kind SMALLINT NOT NULL,
    name TEXT NOT NULL,
    subject TEXT NOT NULL,
    customer_id UUID NOT NULL,
    package_id UUID,
    item_id UUID,
    occurred_at BIGINT NOT NULL,
    done_at BIGINT,
    PRIMARY KEY (business_id, id),
    UNIQUE (business_id, kind, name, subject),
    FOREIGN KEY (business_id, customer_id) REFERENCES customers (business_id, id),
    FOREIGN KEY (business_id, package_id) REFERENCES packages (business_id, id)
);
CREATE INDEX events_by_customer ON events (business_id, customer_id);
CREATE INDEX events_pending ON events (business_id, occurred_at, id) WHERE done_at IS NULL;

CREATE TABLE trigger_runs (
    business_id UUID NOT NULL,
    trigger_id UUID NOT NULL,
    event_id UUID NOT NULL,
    package_id UUID,
    refusal TEXT NOT NULL,
    acted_at BIGINT NOT NULL,
    PRIMARY KEY (business_id, trigger_id, event_id),
    FOREIGN KEY (business_id, trigger_id) REFERENCES triggers (business_id, id),
    FOREIGN KEY (business_id, event_id) REFERENCES events (business_id, id),
    FOREIGN KEY (business_id, package_id) REFERENCES packages (business_id, id),
    CHECK ((package_id IS NULL) = (refusal <> ''))
);
CREATE INDEX trigger_runs_by_package ON trigger_runs (business_id, package_id) WHERE package_id IS NOT NULL;

CREATE TABLE event_scans (
    business_id UUID NOT NULL PRIMARY KEY REFERENCES businesses (id),
    scanned_until BIGINT NOT NULL
);

-- The ledger. A lot caches what the fold of its entries says, and copies what deciding needs from its
-- package; `is_open` says that something is available or that a time-out may make it so, and
-- flips seldom, so that the partial indexes leave almost every update heap-only.

CREATE TABLE lots (
    business_id UUID NOT NULL,
    id UUID NOT NULL,
    package_id UUID NOT NULL,
    line_id UUID NOT NULL,
    customer_id UUID NOT NULL,
    credit_type_id UUID NOT NULL,
    origin SMALLINT NOT NULL,
    priority INTEGER NOT NULL,
    starts_at BIGINT NOT NULL,
    expires_at BIGINT,
    counts_from_first_use BOOLEAN NOT NULL,
    first_used_on DATE,
    expires_if_unused BIGINT,
    time_zone TEXT NOT NULL,
    frozen BOOLEAN NOT NULL,
    frozen_until_max BIGINT,
    expires_if_thawed BIGINT,
    revoked BOOLEAN NOT NULL,
    is_followed BOOLEAN NOT NULL DEFAULT FALSE,
    is_limited BOOLEAN NOT NULL DEFAULT FALSE,
    issued_quantity BIGINT NOT NULL CHECK (issued_quantity > 0),
    issued_value BIGINT NOT NULL CHECK (issued_value >= 0),
    basis_quantity BIGINT NOT NULL CHECK (basis_quantity >= 0),
    basis_value BIGINT NOT NULL CHECK (basis_value >= 0),
    revalued BOOLEAN NOT NULL,
    issued BIGINT NOT NULL,
    available BIGINT NOT NULL CHECK (available >= 0),
    held BIGINT NOT NULL CHECK (held >= 0),
    consumed BIGINT NOT NULL CHECK (consumed >= 0),
    expired BIGINT NOT NULL CHECK (expired >= 0),
    revoked_credits BIGINT NOT NULL CHECK (revoked_credits >= 0),
    transferred BIGINT NOT NULL,
    value_unused BIGINT NOT NULL CHECK (value_unused >= 0),
    value_consumed BIGINT NOT NULL CHECK (value_consumed >= 0),
    value_expired BIGINT NOT NULL CHECK (value_expired >= 0),
    value_revoked BIGINT NOT NULL CHECK (value_revoked >= 0),
    value_transferred BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    last_posting_id UUID NOT NULL,
    last_n INTEGER NOT NULL,
    last_hash BYTEA NOT NULL,
    last_recorded_at BIGINT NOT NULL,
    next_timeout_at BIGINT,
    transferred_to UUID,
    is_open BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    version BIGINT NOT NULL,
    PRIMARY KEY (business_id, id),
    FOREIGN KEY (business_id, package_id) REFERENCES packages (business_id, id),
    FOREIGN KEY (business_id, line_id) REFERENCES lines (business_id, id),
    CHECK (issued + available + held + consumed + expired + revoked_credits + transferred = 0),
    CHECK (is_open = (available > 0 OR next_timeout_at IS NOT NULL))
) WITH (fillfactor = 80);
CREATE INDEX lots_by_package ON lots (business_id, package_id);
CREATE INDEX lots_by_customer ON lots (business_id, customer_id, id);
CREATE INDEX lots_open_by_customer ON lots (business_id, customer_id, priority, expires_at) WHERE is_open;
CREATE INDEX lots_due ON lots (expires_at) WHERE is_open;
CREATE INDEX lots_timing_out ON lots (next_timeout_at) WHERE next_timeout_at IS NOT NULL;

-- What reports add up comes first and in columns of fixed width, so that nothing is read to find it.
CREATE TABLE entries (
    business_id UUID NOT NULL,
    posting_id UUID NOT NULL,
    lot_id UUID NOT NULL,
    line_id UUID NOT NULL,
    seq BIGINT NOT NULL,
    amount BIGINT NOT NULL,
    value BIGINT NOT NULL,
    effective_at BIGINT NOT NULL,
    recorded_at BIGINT NOT NULL,
    n INTEGER NOT NULL,
    kind SMALLINT NOT NULL,
    from_account SMALLINT NOT NULL,
    to_account SMALLINT NOT NULL,
    by_time BOOLEAN NOT NULL,
    available BIGINT NOT NULL,
    held BIGINT NOT NULL,
    consumed BIGINT NOT NULL,
    expired BIGINT NOT NULL,
    revoked BIGINT NOT NULL,
    transferred BIGINT NOT NULL,
    hash BYTEA NOT NULL,
    method TEXT NOT NULL,
    actor_kind SMALLINT NOT NULL,
    previous_posting_id UUID,
    previous_n INTEGER,
    undoes_posting_id UUID,
    undoes_n INTEGER,
    request_hash BYTEA,
    actor_id UUID,
    consumed_by UUID,
    customer_id UUID,
    item_id UUID,
    units BIGINT,
    invoice_line_id UUID,
    booking_id UUID,
    hold_id UUID,
    feed BIGINT NOT NULL DEFAULT CAST(CAST(pg_current_xact_id() AS TEXT) AS BIGINT),
    PRIMARY KEY (business_id, posting_id, n)
);
CREATE INDEX entries_by_recorded_at ON entries (business_id, recorded_at, lot_id, seq);
CREATE INDEX entries_by_feed ON entries USING brin (feed)
    WITH (pages_per_range = 16, autosummarize = on);
CREATE INDEX entries_undone ON entries (business_id, undoes_posting_id, undoes_n)
    WHERE undoes_posting_id IS NOT NULL;

-- Credits that are set aside. A hold's id is that of its posting; that it timed out is a fact of time and
-- not stored. `held` is what a part still holds: all of it, or nothing; `captured_…` is the entry by which the
-- time-out captured it.
CREATE TABLE holds (
    business_id UUID NOT NULL,
    id UUID NOT NULL,
    customer_id UUID NOT NULL,
    item_id UUID,
    consumed_by UUID,
    invoice_line_id UUID,
    booking_id UUID,
    service_at BIGINT NOT NULL,
    times_out_at BIGINT,
    on_time_out SMALLINT NOT NULL,
    ended_as SMALLINT,
    ended_by UUID,
    PRIMARY KEY (business_id, id),
    FOREIGN KEY (business_id, customer_id) REFERENCES customers (business_id, id),
    CHECK ((ended_as IS NULL) = (ended_by IS NULL))
);

CREATE TABLE hold_lots (
    business_id UUID NOT NULL,
    hold_id UUID NOT NULL,
    n INTEGER NOT NULL,
    lot_id UUID NOT NULL,
    amount BIGINT NOT NULL CHECK (amount > 0),
    units BIGINT,
    held BIGINT NOT NULL CHECK (held IN (0, amount)),
    captured_posting_id UUID,
    captured_n INTEGER,
    PRIMARY KEY (business_id, hold_id, n),
    FOREIGN KEY (business_id, hold_id) REFERENCES holds (business_id, id),
    FOREIGN KEY (business_id, lot_id) REFERENCES lots (business_id, id)
);
CREATE INDEX hold_lots_holding ON hold_lots (business_id, lot_id) WHERE held = amount;

-- An item for a customer at a time. What it holds is named by `hold_id`, what it used by `used_by`; `applied` says
-- of which packages. One booking has one open hold.
CREATE TABLE bookings (
    business_id UUID NOT NULL,
    id UUID NOT NULL,
    external_id TEXT,
    customer_id UUID NOT NULL,
    item_id UUID NOT NULL,
    units BIGINT NOT NULL CHECK (units > 0),
    starts_at BIGINT NOT NULL,
    ends_at BIGINT,
    note TEXT NOT NULL,
    series_id UUID,
    series_index INTEGER,
    state SMALLINT NOT NULL,
    ended_at BIGINT,
    by_business BOOLEAN NOT NULL,
    hold_id UUID,
    used_by UUID,
    applied JSONB NOT NULL,
    created_at BIGINT NOT NULL,
    version BIGINT NOT NULL,
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
);
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
    business_id UUID NOT NULL REFERENCES businesses (id),
    id UUID NOT NULL,
    external_id TEXT,
    customer_id UUID NOT NULL,
    state SMALLINT NOT NULL,
    number BIGINT,
    prices_include_tax BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    issued_at BIGINT,
    voided_at BIGINT, -- from then on the invoice counts no more
    version BIGINT NOT NULL,
    PRIMARY KEY (business_id, id),
    UNIQUE (business_id, external_id),
    UNIQUE (business_id, number),
    FOREIGN KEY (business_id, customer_id) REFERENCES customers (business_id, id),
    CHECK ((number IS NULL) = (issued_at IS NULL))
);
CREATE INDEX invoices_by_customer ON invoices (business_id, customer_id, id);
CREATE INDEX invoices_by_state ON invoices (business_id, state, id);

CREATE TABLE invoice_lines (
    business_id UUID NOT NULL,
    id UUID NOT NULL,
    invoice_id UUID NOT NULL,
    position INTEGER NOT NULL,
    item_id UUID,
    template_id UUID,
    definition_version INTEGER,
    issue_when SMALLINT,
    sale_id UUID,
    package_id UUID,
    description TEXT NOT NULL,
    quantity BIGINT NOT NULL CHECK (quantity > 0),
    unit_price_minor BIGINT NOT NULL CHECK (unit_price_minor >= 0),
    tax_basis_points INTEGER NOT NULL CHECK (tax_basis_points >= 0),
    hold_id UUID,
    credit_units BIGINT CHECK (credit_units > 0 AND credit_units <= quantity),
    credit_packages JSONB,
    times_out_at BIGINT,
    used_by UUID,
    returned_at BIGINT,
    kept_minor BIGINT CHECK (kept_minor >= 0),
    rate_line_id UUID, -- the rate line that counts the units of the hold; then money pays them
    delivered_at BIGINT,
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
);
CREATE INDEX invoice_lines_by_invoice ON invoice_lines (business_id, invoice_id, position);

-- What was paid of a sale or of an invoice and given back, elsewhere, and written down here.
CREATE TABLE payments (
    business_id UUID NOT NULL,
    id UUID NOT NULL,
    sale_id UUID,
    invoice_id UUID,
    position INTEGER NOT NULL,
    request_id UUID NOT NULL,
    kind SMALLINT NOT NULL,
    method SMALLINT NOT NULL,
    amount_minor BIGINT NOT NULL CHECK (amount_minor > 0),
    reference TEXT NOT NULL,
    recorded_at BIGINT NOT NULL,
    reversed_at BIGINT,
    PRIMARY KEY (business_id, id),
    UNIQUE (business_id, sale_id, position),
    UNIQUE (business_id, invoice_id, position),
    FOREIGN KEY (business_id, sale_id) REFERENCES sales (business_id, id),
    FOREIGN KEY (business_id, invoice_id) REFERENCES invoices (business_id, id),
    CHECK ((sale_id IS NULL) <> (invoice_id IS NULL))
);

-- What the payment system is to charge. That it timed out is a fact of time; a job writes it.
CREATE TABLE charge_requests (
    business_id UUID NOT NULL,
    id UUID NOT NULL,
    sale_id UUID,
    invoice_id UUID,
    customer_id UUID NOT NULL,
    amount_minor BIGINT NOT NULL CHECK (amount_minor > 0),
    currency TEXT NOT NULL,
    state SMALLINT NOT NULL,
    times_out_at BIGINT NOT NULL,
    recorded_at BIGINT NOT NULL,
    answered_at BIGINT,
    payment_id UUID,
    cause TEXT NOT NULL,
    feed BIGINT NOT NULL DEFAULT CAST(CAST(pg_current_xact_id() AS TEXT) AS BIGINT),
    PRIMARY KEY (business_id, id),
    FOREIGN KEY (business_id, sale_id) REFERENCES sales (business_id, id),
    FOREIGN KEY (business_id, invoice_id) REFERENCES invoices (business_id, id),
    FOREIGN KEY (business_id, customer_id) REFERENCES customers (business_id, id),
    FOREIGN KEY (business_id, payment_id) REFERENCES payments (business_id, id),
    CHECK ((sale_id IS NULL) <> (invoice_id IS NULL))
);
CREATE INDEX charge_requests_by_state ON charge_requests (business_id, state, id);
CREATE INDEX charge_requests_by_recorded_at ON charge_requests (business_id, recorded_at, id);
CREATE INDEX charge_requests_by_feed ON charge_requests USING brin (feed)
    WITH (pages_per_range = 16, autosummarize = on);
CREATE INDEX charge_requests_by_sale ON charge_requests (business_id, sale_id, state, id);
CREATE INDEX charge_requests_by_invoice ON charge_requests (business_id, invoice_id, state, id);
CREATE INDEX charge_requests_due ON charge_requests (state, times_out_at);

CREATE TABLE invoice_numbers (
    business_id UUID PRIMARY KEY REFERENCES businesses (id),
    last_number BIGINT NOT NULL CHECK (last_number > 0)
);

-- Free text of postings and changes: outside the hash, so that it can be erased.
CREATE TABLE posting_notes (
    business_id UUID NOT NULL,
    posting_id UUID NOT NULL,
    note TEXT NOT NULL,
    PRIMARY KEY (business_id, posting_id)
);

-- What changed on a package and is not an entry.
CREATE TABLE changes (
    business_id UUID NOT NULL,
    package_id UUID NOT NULL,
    seq INTEGER NOT NULL,
    kind SMALLINT NOT NULL,
    old_value JSONB NOT NULL,
    new_value JSONB NOT NULL,
    request_id UUID NOT NULL,
    actor_kind SMALLINT NOT NULL,
    actor_id UUID,
    effective_at BIGINT NOT NULL,
    recorded_at BIGINT NOT NULL,
    feed BIGINT NOT NULL DEFAULT CAST(CAST(pg_current_xact_id() AS TEXT) AS BIGINT),
    PRIMARY KEY (business_id, package_id, seq),
    FOREIGN KEY (business_id, package_id) REFERENCES packages (business_id, id)
);
CREATE INDEX changes_by_feed ON changes USING brin (feed)
    WITH (pages_per_range = 16, autosummarize = on);

-- History leaves with its business and in no other way.
CREATE FUNCTION refuse_to_rewrite_history() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF EXISTS (SELECT 1 FROM businesses WHERE id = OLD.business_id AND leaving_at IS NOT NULL) THEN
            RETURN OLD;
        END IF;
    END IF;
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER entries_are_never_changed BEFORE UPDATE OR DELETE ON entries
    FOR EACH ROW EXECUTE FUNCTION refuse_to_rewrite_history();
CREATE TRIGGER entries_are_never_truncated BEFORE TRUNCATE ON entries
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_rewrite_history();
CREATE TRIGGER changes_are_never_changed BEFORE UPDATE OR DELETE ON changes
    FOR EACH ROW EXECUTE FUNCTION refuse_to_rewrite_history();
CREATE TRIGGER changes_are_never_truncated BEFORE TRUNCATE ON changes
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_rewrite_history();

-- Work on many packages, a part at a time: a run has looked at all packages down to `before_id`, and at no
-- other. A package has a result if the run moved or refused it.
CREATE TABLE bulk_runs (
    business_id UUID NOT NULL REFERENCES businesses (id),
    id UUID NOT NULL,
    work JSONB NOT NULL,
    selection JSONB NOT NULL,
    reason TEXT NOT NULL,
    actor_kind SMALLINT NOT NULL,
    actor_id UUID,
    before_id UUID,
    changed BIGINT NOT NULL,
    refused BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    finished_at BIGINT,
    PRIMARY KEY (business_id, id)
);
CREATE INDEX bulk_runs_open ON bulk_runs (created_at) WHERE finished_at IS NULL;

CREATE TABLE bulk_results (
    business_id UUID NOT NULL,
    run_id UUID NOT NULL,
    package_id UUID NOT NULL,
    old_expires_at BIGINT,
    new_expires_at BIGINT,
    reason TEXT,
    message TEXT,
    PRIMARY KEY (business_id, run_id, package_id),
    FOREIGN KEY (business_id, run_id) REFERENCES bulk_runs (business_id, id),
    FOREIGN KEY (business_id, package_id) REFERENCES packages (business_id, id),
    CHECK ((reason IS NULL) = (message IS NULL))
);
CREATE INDEX bulk_results_refused ON bulk_results (business_id, run_id, package_id) WHERE reason IS NOT NULL;

-- Days on which a business is closed, and which of them a package got back at its end; `waiting` says that it
-- waited for its first use then, with an end that the first use has replaced since.
CREATE TABLE closures (
    business_id UUID NOT NULL REFERENCES businesses (id),
    id UUID NOT NULL,
    name TEXT NOT NULL,
    first_day DATE NOT NULL,
    last_day DATE NOT NULL CHECK (last_day >= first_day),
    template_id UUID,
    run_id UUID NOT NULL,
    undone_at BIGINT,
    created_at BIGINT NOT NULL,
    version BIGINT NOT NULL,
    PRIMARY KEY (business_id, id),
    FOREIGN KEY (business_id, template_id) REFERENCES templates (business_id, id),
    FOREIGN KEY (business_id, run_id) REFERENCES bulk_runs (business_id, id)
);

CREATE TABLE closure_packages (
    business_id UUID NOT NULL,
    package_id UUID NOT NULL,
    closure_id UUID NOT NULL,
    days JSONB NOT NULL,
    waiting BOOLEAN NOT NULL,
    PRIMARY KEY (business_id, package_id, closure_id),
    FOREIGN KEY (business_id, package_id) REFERENCES packages (business_id, id),
    FOREIGN KEY (business_id, closure_id) REFERENCES closures (business_id, id)
);
CREATE INDEX closure_packages_by_closure ON closure_packages (business_id, closure_id, package_id);

-- Mail. A notice is one fact to tell a customer; an e-mail carries one or more of them.

CREATE TABLE emails (
    business_id UUID NOT NULL REFERENCES businesses (id),
    id UUID NOT NULL,
    customer_id UUID,
    is_test BOOLEAN NOT NULL,
    kind SMALLINT NOT NULL,
    occasion TEXT NOT NULL,
    state SMALLINT NOT NULL,
    reason TEXT,
    mail_day DATE,
    due_at BIGINT NOT NULL,
    attempts INTEGER NOT NULL,
    lease_until BIGINT,
    fence BIGINT NOT NULL,
    message_id TEXT,
    to_address TEXT,
    envelope JSONB,
    subject TEXT,
    html_body TEXT,
    text_body TEXT,
    rendered_at BIGINT,
    created_at BIGINT NOT NULL,
    finished_at BIGINT,
    PRIMARY KEY (business_id, id),
    UNIQUE (business_id, customer_id, kind, occasion),
    FOREIGN KEY (business_id, customer_id) REFERENCES customers (business_id, id)
);
-- There is none by due_at alone: whoever wants the next ones of a business would have to read those of all.
CREATE INDEX emails_waiting ON emails (business_id, due_at, id) WHERE finished_at IS NULL;
CREATE INDEX emails_by_customer ON emails (business_id, customer_id, id);
CREATE INDEX emails_with_text ON emails (business_id, finished_at, id)
    WHERE to_address IS NOT NULL AND finished_at IS NOT NULL;
CREATE INDEX emails_by_state ON emails (business_id, state, id);
CREATE INDEX emails_tests ON emails (business_id, created_at) WHERE is_test;
-- An e-mail's HTML is large, and to compress it as is usual takes longer than all else that is written of it. A server
-- that was built without LZ4 does as is usual.
DO $$ BEGIN
    ALTER TABLE emails ALTER COLUMN html_body SET COMPRESSION lz4, ALTER COLUMN text_body SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported THEN
    NULL;
END $$;

CREATE TABLE notices (
    business_id UUID NOT NULL,
    id UUID NOT NULL,
    kind SMALLINT NOT NULL,
    package_id UUID NOT NULL,
    cause TEXT NOT NULL,
    customer_id UUID NOT NULL,
    email_id UUID,
    expiry_epoch INTEGER NOT NULL,
    lead_days INTEGER,
    dropped_reason TEXT,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (business_id, id),
    UNIQUE (business_id, kind, package_id, cause),
    FOREIGN KEY (business_id, package_id) REFERENCES packages (business_id, id),
    FOREIGN KEY (business_id, email_id) REFERENCES emails (business_id, id)
);
CREATE INDEX notices_by_package ON notices (business_id, package_id);
CREATE INDEX notices_by_email ON notices (business_id, email_id);

-- One row for each attempt, written before its first byte goes out.
CREATE TABLE email_attempts (
    business_id UUID NOT NULL,
    email_id UUID NOT NULL,
    attempt INTEGER NOT NULL,
    started_at BIGINT NOT NULL,
    finished_at BIGINT,
    outcome SMALLINT,
    smtp_code INTEGER,
    detail TEXT,
    PRIMARY KEY (business_id, email_id, attempt),
    FOREIGN KEY (business_id, email_id) REFERENCES emails (business_id, id)
);

-- One run for each business and local day decides which timed e-mails there are.
CREATE TABLE mail_days (
    business_id UUID NOT NULL REFERENCES businesses (id),
    local_day DATE NOT NULL,
    due_at BIGINT NOT NULL,
    lease_until BIGINT,
    fence BIGINT NOT NULL,
    done_at BIGINT,
    PRIMARY KEY (business_id, local_day)
);

-- How many e-mails of a business went out of late; a row only where there is a limit.
CREATE TABLE mail_rates (
    business_id UUID PRIMARY KEY REFERENCES businesses (id),
    sent JSONB NOT NULL
);

CREATE TABLE suppressions (
    business_id UUID NOT NULL REFERENCES businesses (id),
    address_folded TEXT NOT NULL,
    reason TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (business_id, address_folded)
);

-- What a business wrote in place of the templates that are shipped. Without texts: it was reset.
CREATE TABLE email_templates (
    business_id UUID NOT NULL REFERENCES businesses (id),
    kind SMALLINT NOT NULL,
    locale TEXT NOT NULL,
    subject TEXT,
    text_body TEXT,
    html_body TEXT,
    updated_at BIGINT NOT NULL,
    version BIGINT NOT NULL,
    PRIMARY KEY (business_id, kind, locale)
);

-- The second wall: a role that neither owns the tables nor bypasses row level security sees and writes the rows of
-- the business that its connection is told, and without one none. Job runs and transports belong to no business.
DO $$
DECLARE
    told CONSTANT TEXT := 'NULLIF(current_setting(''carnet.business_id'', true), '''')::uuid';
    tenants RECORD;
BEGIN
    FOR tenants IN SELECT attrelid::regclass AS name FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
        WHERE attname = 'business_id' AND relnamespace = current_schema()::regnamespace
            AND relkind IN ('r', 'p') AND NOT relispartition
    LOOP
        EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', tenants.name);
        EXECUTE format('CREATE POLICY of_one_business ON %s USING (business_id = %s)', tenants.name, told);
    END LOOP;
    ALTER TABLE businesses ENABLE ROW LEVEL SECURITY;
    EXECUTE format('CREATE POLICY of_one_business ON businesses USING (id = %s)', told);
END $$;
