//! Columns of Parquet files as numbers, with the row named when a value will not do.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;

use crate::error::{Error, Result};

/// Whether a column holds integers: of any width, or truth values, which count as 0 and 1.
pub(crate) fn is_integer(data_type: &DataType) -> bool {
    data_type.is_integer() || *data_type == DataType::Boolean
}

/// An integer column ([`is_integer`]). `first_row` is the row of the file that the array starts at.
pub(crate) fn integers(array: &ArrayRef, name: &str, first_row: usize) -> Result<Vec<i128>> {
    reject_null(array, name, first_row)?;
    match array.data_type() {
        DataType::Int8 => Ok(widen::<Int8Type>(array)),
        DataType::Int16 => Ok(widen::<Int16Type>(array)),
        DataType::Int32 => Ok(widen::<Int32Type>(array)),
        DataType::Int64 => Ok(widen::<Int64Type>(array)),
        DataType::UInt8 => Ok(widen::<UInt8Type>(array)),
        DataType::UInt16 => Ok(widen::<UInt16Type>(array)),
        DataType::UInt32 => Ok(widen::<UInt32Type>(array)),
        DataType::UInt64 => Ok(widen::<UInt64Type>(array)),
        DataType::Boolean => Ok(array.as_boolean().values().iter().map(i128::from).collect()),
        other => Err(Error::ColumnType {
            column: name.to_owned(),
            expected: "an integer type or bool",
            found: other.to_string(),
        }),
    }
}

/// A column of floats or integers as `f64`, every value finite.
pub(crate) fn floats(array: &ArrayRef, name: &str, first_row: usize) -> Result<Vec<f64>> {
    let values: Vec<f64> = match array.data_type() {
        DataType::Float16 => {
            reject_null(array, name, first_row)?;
            array.as_primitive::<Float16Type>().values().iter().map(|&v| f64::from(v)).collect()
        }
        DataType::Float32 => {
            reject_null(array, name, first_row)?;
            array.as_primitive::<Float32Type>().values().iter().map(|&v| f64::from(v)).collect()
        }
        DataType::Float64 => {
            reject_null(array, name, first_row)?;
            array.as_primitive::<Float64Type>().values().to_vec()
        }
        data_type if is_integer(data_type) => {
            integers(array, name, first_row)?.into_iter().map(|v| v as f64).collect()
        }
        other => {
            return Err(Error::ColumnType {
                column: name.to_owned(),
                expected: "float16, float32, float64, an integer type or bool",
                found: other.to_string(),
            });
        }
    };
    match values.iter().position(|v| !v.is_finite()) {
        None => Ok(values),
        Some(i) => Err(Error::Value {
            column: name.to_owned(),
            row: first_row + i,
            value: values[i].to_string(),
            expected: "a finite number",
        }),
    }
}

fn widen<T: ArrowPrimitiveType<Native: Into<i128>>>(array: &ArrayRef) -> Vec<i128> {
    array.as_primitive::<T>().values().iter().map(|&v| v.into()).collect()
}

fn reject_null(array: &ArrayRef, name: &str, first_row: usize) -> Result<()> {
    if array.null_count() == 0 {
        return Ok(());
    }
    let i = (0..array.len()).find(|&i| array.is_null(i)).unwrap_or(0);
    Err(Error::Value {
        column: name.to_owned(),
        row: first_row + i,
        value: "null".into(),
        expected: "a finite number",
    })
}
