//! What PostgreSQL's own `auto_explain` says of each statement that the server's connections executed: the plan,
//! and how many rows it came to.

use serde_json::Value;

/// Who tells it.
pub(super) const NOTICES: &str = "sqlx::postgres::notice";

/// Takes statistics.
pub(super) const ANALYZE: &str = "ANALYZE";

/// Lets every new connection to the database explain what it executes.
pub(super) const EXPLAIN: [&str; 8] = [
    // As the database does by itself when it comes to it.
    "SELECT brin_summarize_new_values('entries_by_feed')",
    "SELECT brin_summarize_new_values('changes_by_feed')",
    "SELECT brin_summarize_new_values('charge_requests_by_feed')",
    "ALTER DATABASE {database} SET session_preload_libraries = 'auto_explain'",
    "ALTER DATABASE {database} SET auto_explain.log_min_duration = 0",
    "ALTER DATABASE {database} SET auto_explain.log_format = 'json'",
    "ALTER DATABASE {database} SET auto_explain.log_analyze = on",
    "ALTER DATABASE {database} SET auto_explain.log_level = 'notice'",
];

/// A plan with what it read.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) statement: String,
    nodes: Vec<Value>,
}

impl Plan {
    /// Reads a notice; sqlx's own questions about types, and ours about the server, are left out.
    pub(super) fn read(notice: &str) -> Option<Self> {
        let start = notice.find('{').unwrap();
        let mut explained: Value = serde_json::from_str(&notice[start..]).unwrap();
        let statement = explained["Query Text"].as_str().unwrap().to_owned();
        let of_the_server = [
            "pg_catalog.pg_type",
            "pg_stat_activity",
            "pg_control_system",
        ];
        if of_the_server.iter().any(|name| statement.contains(name)) {
            return None;
        }
        let mut nodes = Vec::new();
        collect(explained["Plan"].take(), &mut nodes);
        Some(Self { statement, nodes })
    }

    /// The tables that are read from one end to the other.
    pub(super) fn scanned(&self) -> Vec<&str> {
        let scans = self.nodes.iter();
        let scans = scans.filter(|node| node["Node Type"] == "Seq Scan");
        let tables = scans.map(|node| node["Relation Name"].as_str().unwrap());
        // One business and none of its mail days: a page that is read as it is.
        let is_large = |table: &&str| !["businesses", "mail_days"].contains(table);
        tables.filter(is_large).collect()
    }

    /// Each node that came to more than so many rows, passed on or passed over. An index that knows only blocks
    /// tells no rows; the table's own node does.
    pub(super) fn wide(&self, rows_max: f64) -> Vec<String> {
        let wide = self
            .nodes
            .iter()
            .filter(|node| node["Node Type"] != "Bitmap Index Scan" && rows(node) > rows_max);
        wide.map(|node| {
            let of = |name: &str| node[name].as_str().unwrap_or_default().to_owned();
            let names = [of("Node Type"), of("Relation Name"), of("Index Name")];
            format!("{} came to {} rows", names.join(" "), rows(node))
        })
        .collect()
    }

    /// How many rows a function such as `unnest` gave.
    pub(super) fn given(&self) -> f64 {
        let given = self
            .nodes
            .iter()
            .filter(|node| node["Node Type"] == "Function Scan");
        given.map(rows).fold(0.0, f64::max)
    }
}

fn rows(node: &Value) -> f64 {
    let number = |name: &str| node[name].as_f64().unwrap_or_default();
    let rows = [
        "Actual Rows",
        "Rows Removed by Filter",
        "Rows Removed by Index Recheck",
    ];
    rows.map(number).iter().sum::<f64>() * number("Actual Loops")
}

fn collect(mut node: Value, nodes: &mut Vec<Value>) {
    if let Value::Array(children) = node["Plans"].take() {
        for child in children {
            collect(child, nodes);
        }
    }
    nodes.push(node);
}
