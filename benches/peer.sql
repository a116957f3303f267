-- The peer: what one would write in PL/pgSQL to use one unit of one package in this schema.
--
-- One function call, one transaction: lock a lot, check it, append the entry with the same columns and the
-- same hash as Carnet's, update the lot. `carnet verify` accepts what it wrote. It is spared what Carnet does
-- besides: gRPC, the token, looking up the customer, package and item that a caller names, repeats and
-- refusals with reasons.

-- The id of the i-th thing of a kind: see dataset.rs.
CREATE FUNCTION peer_id(epoch_milliseconds bigint, kind text, i bigint) RETURNS uuid
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT (lpad(to_hex(epoch_milliseconds + i / 8), 12, '0') || '7' || kind
        || '8' || lpad(to_hex(i), 15, '0'))::uuid
$$;

-- A version-7 UUID of this moment.
CREATE FUNCTION peer_request_id() RETURNS uuid
LANGUAGE sql VOLATILE AS $$
    SELECT encode(
        set_bit(set_bit(overlay(
            uuid_send(gen_random_uuid())
            PLACING substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3)
            FROM 1 FOR 6
        ), 52, 1), 53, 1), 'hex')::uuid
$$;

CREATE FUNCTION peer_consume(
    business uuid,
    item uuid,
    item_text text,
    token uuid,
    epoch_milliseconds bigint,
    i bigint,
    named boolean
) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
    one CONSTANT bigint := 1000000;
    posting CONSTANT uuid := peer_request_id();
    customer CONSTANT uuid := peer_id(epoch_milliseconds, '011', i / 3);
    wanted CONSTANT bytea := sha256(uuid_send(customer) || uuid_send(item) || int8send(one));
    at bigint := (extract(epoch FROM clock_timestamp()) * 1000000)::bigint;
    lot lots%ROWTYPE;
    remaining bigint;
    product numeric;
    kept bigint;
    rest numeric;
    carried bigint;
    digest bytea;
BEGIN
    IF named THEN
        SELECT * INTO lot FROM lots
        WHERE business_id = business AND package_id = peer_id(epoch_milliseconds, '012', i)
        ORDER BY id LIMIT 1 FOR NO KEY UPDATE;
    ELSE
        SELECT * INTO lot FROM lots
        WHERE business_id = business AND customer_id = customer AND is_open
            AND starts_at <= at AND (expires_at IS NULL OR expires_at > at)
            AND NOT frozen AND NOT revoked
        ORDER BY priority, expires_at, id LIMIT 1 FOR NO KEY UPDATE;
    END IF;
    at := greatest((extract(epoch FROM clock_timestamp()) * 1000000)::bigint, lot.last_recorded_at);
    IF lot.id IS NULL OR lot.customer_id <> customer OR lot.available < one OR lot.frozen OR lot.revoked
        OR lot.starts_at > at OR lot.expires_at <= at
    THEN
        RAISE EXCEPTION 'refused';
    END IF;
    PERFORM FROM lines
    WHERE business_id = business AND id = lot.line_id AND kind = 1
        AND covers @> jsonb_build_array(
            jsonb_build_object('subject', jsonb_build_object('item', item_text)));
    IF NOT FOUND THEN
        RAISE EXCEPTION 'not covered';
    END IF;

    -- The value that leaves: what is unused, less round_half_even(basis value * remaining / basis quantity).
    remaining := lot.available + lot.held - one;
    IF remaining <= 0 THEN
        carried := lot.value_unused;
    ELSE
        product := lot.basis_value::numeric * remaining;
        kept := div(product, lot.basis_quantity);
        rest := product - kept::numeric * lot.basis_quantity;
        IF rest * 2 > lot.basis_quantity OR (rest * 2 = lot.basis_quantity AND kept % 2 = 1) THEN
            kept := kept + 1;
        END IF;
        carried := greatest(least(lot.value_unused - kept, lot.value_unused), 0);
    END IF;

    digest := sha256(
        '\x01'::bytea || lot.last_hash
        || uuid_send(posting) || int8send(0) || uuid_send(lot.id) || int8send(lot.seq + 1)
        || '\x01'::bytea || uuid_send(lot.last_posting_id) || int8send(lot.last_n)
        || int8send(2) || int8send(2) || int8send(4) || int8send(one) || int8send(carried)
        || int8send(lot.available - one) || int8send(lot.held) || int8send(lot.consumed + one)
        || int8send(lot.expired) || int8send(lot.revoked_credits) || int8send(lot.transferred)
        || int8send(at) || int8send(at) || int8send(0) || '\x00'::bytea
        || '\x01'::bytea || int8send(32) || wanted
        || '\x01'::bytea || int8send(7) || 'Consume'::bytea
        || int8send(2) || '\x01'::bytea || int8send(16) || uuid_send(token)
        || '\x00'::bytea
        || '\x01'::bytea || int8send(16) || uuid_send(customer)
        || '\x01'::bytea || int8send(16) || uuid_send(item)
        || '\x01'::bytea || int8send(8) || int8send(one)
        || '\x000000'::bytea
    );
    INSERT INTO entries (
        business_id, posting_id, n, lot_id, line_id, seq, previous_posting_id, previous_n, hash, kind,
        from_account, to_account, amount, value, available, held, consumed, expired, revoked,
        transferred, effective_at, recorded_at, by_time, request_hash, method, actor_kind, actor_id,
        customer_id, item_id, units
    ) VALUES (
        business, posting, 0, lot.id, lot.line_id, lot.seq + 1, lot.last_posting_id, lot.last_n, digest, 2,
        2, 4, one, carried, lot.available - one, lot.held, lot.consumed + one, lot.expired,
        lot.revoked_credits, lot.transferred, at, at, false, wanted, 'Consume', 2, token,
        customer, item, one
    );
    INSERT INTO requests (business_id, request_id, created_at) VALUES (business, posting, at);
    UPDATE lots SET
        available = lot.available - one,
        consumed = lot.consumed + one,
        value_unused = lot.value_unused - carried,
        value_consumed = lot.value_consumed + carried,
        seq = lot.seq + 1,
        last_posting_id = posting,
        last_n = 0,
        last_hash = digest,
        last_recorded_at = at,
        is_open = lot.available > one,
        version = lot.version + 1
    WHERE business_id = business AND id = lot.id;
    RETURN posting;
END $$;
