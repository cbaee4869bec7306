//! Every table of the folder that `PORPOISE_DS_DATA` names.

use std::path::Path;

#[test]
fn no_row_of_any_table_differs() {
    let Some(folder) = std::env::var_os("PORPOISE_DS_DATA") else {
        println!("SKIPPED: PORPOISE_DS_DATA is not set, the tables of others are not there");
        return;
    };
    let tables = porpoise_golden::tables(Path::new(&folder)).unwrap();
    let different: Vec<String> = tables
        .iter()
        .flat_map(|table| {
            let name = table.name;
            table
                .different
                .iter()
                .map(move |row| format!("{name}: {row}"))
        })
        .collect();
    assert!(different.is_empty(), "{}", different.join("\n"));
    for table in tables.iter().filter(|table| table.rows == 0) {
        println!("{}", table.line());
    }
    assert!(tables.iter().any(|table| table.rows > 0), "{tables:#?}");
}
